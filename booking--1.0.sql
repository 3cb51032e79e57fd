/* booking--1.0.sql */

-- complain if script is sourced in psql, rather than via CREATE EXTENSION
\echo Use "CREATE EXTENSION booking" to load this file. \quit

-- ---------------------------------------------------------------------------
-- The schema must be ours alone
--
-- CREATE EXTENSION takes an existing schema as it is.  Whoever owns it, or
-- could put a function, operator or type into it, could make the objects below
-- (and everybody who calls them) use theirs instead of pg_catalog's.  Tables,
-- their row types and their sequences may be there: DROP EXTENSION leaves them.
-- The end of this script looks at what others have put on those tables.
-- ---------------------------------------------------------------------------

DO $$
DECLARE
	space pg_catalog.oid;
	owner pg_catalog.oid;
	intruder pg_catalog.text;
BEGIN
	SELECT n.oid, n.nspowner INTO STRICT space, owner
	FROM pg_catalog.pg_namespace n
	WHERE n.nspname OPERATOR(pg_catalog.=) 'booking';

	PERFORM FROM pg_catalog.pg_roles r
	WHERE r.oid OPERATOR(pg_catalog.=) owner
	AND (r.rolsuper OR r.rolname OPERATOR(pg_catalog.=) current_user);
	IF NOT FOUND THEN
		RAISE EXCEPTION 'schema "booking" belongs to another role'
			USING ERRCODE = 'insufficient_privilege',
			DETAIL = 'Its owner could replace what the extension puts there.',
			HINT = 'ALTER SCHEMA booking OWNER TO the role that installs the extension, or drop the schema.';
	END IF;

	SELECT pg_catalog.string_agg(CASE WHEN a.grantee OPERATOR(pg_catalog.=) 0::pg_catalog.oid THEN 'PUBLIC'
		ELSE a.grantee::pg_catalog.regrole::pg_catalog.text END, ', ' ORDER BY a.grantee)
	INTO intruder
	FROM pg_catalog.pg_namespace n
	CROSS JOIN pg_catalog.aclexplode(n.nspacl) a
	LEFT JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) a.grantee
	WHERE n.oid OPERATOR(pg_catalog.=) space
	AND a.privilege_type OPERATOR(pg_catalog.=) 'CREATE'
	AND a.grantee OPERATOR(pg_catalog.<>) owner
	AND r.rolsuper IS NOT TRUE;

	IF intruder IS NOT NULL THEN
		RAISE EXCEPTION 'others may create objects in schema "booking"'
			USING ERRCODE = 'insufficient_privilege',
			DETAIL = pg_catalog.format('CREATE on it is granted to %s, who could put functions of their own in front of the extension''s.', intruder),
			HINT = pg_catalog.format('REVOKE CREATE ON SCHEMA booking FROM %s.', intruder);
	END IF;

	SELECT pg_catalog.format('function %s', p.oid::pg_catalog.regprocedure)
	INTO intruder
	FROM pg_catalog.pg_proc p
	WHERE p.pronamespace OPERATOR(pg_catalog.=) space
	UNION ALL
	SELECT pg_catalog.format('operator %s', o.oid::pg_catalog.regoperator)
	FROM pg_catalog.pg_operator o
	WHERE o.oprnamespace OPERATOR(pg_catalog.=) space
	UNION ALL
	SELECT pg_catalog.format('type %s', t.oid::pg_catalog.regtype)
	FROM pg_catalog.pg_type t
	LEFT JOIN pg_catalog.pg_type e ON e.oid OPERATOR(pg_catalog.=) t.typelem
	LEFT JOIN pg_catalog.pg_class c
		ON c.oid OPERATOR(pg_catalog.=) t.typrelid
		OR c.oid OPERATOR(pg_catalog.=) e.typrelid
	WHERE t.typnamespace OPERATOR(pg_catalog.=) space
	AND (c.oid IS NULL OR c.relkind OPERATOR(pg_catalog.=) 'c')
	LIMIT 1;

	IF FOUND THEN
		RAISE EXCEPTION 'schema "booking" already contains %', intruder
			USING ERRCODE = 'duplicate_object',
			DETAIL = 'The extension refuses a schema with functions, operators or types that are not its own.',
			HINT = 'Move or drop what is in the schema, then create the extension again.';
	END IF;
END
$$;

-- ---------------------------------------------------------------------------
-- Result types
-- ---------------------------------------------------------------------------

CREATE TYPE slot AS (
	barber_id bigint,
	starts_at timestamptz,
	ends_at timestamptz,
	seats_left int
);
COMMENT ON TYPE slot IS 'A bookable time of one barber: [starts_at, ends_at), without buffers; seats_left is how many may still book it.';

CREATE TYPE time_span AS (
	starts_at timestamptz,
	ends_at timestamptz
);
COMMENT ON TYPE time_span IS 'A half-open interval of time, [starts_at, ends_at).';

CREATE TYPE day_availability AS (
	day date,
	slot_count int,
	first_slot timestamptz
);
COMMENT ON TYPE day_availability IS 'How many slots a local date has, and the earliest; 0 and NULL when it has none.';

CREATE TYPE day_entry AS (
	starts_at timestamptz,
	ends_at timestamptz,
	kind text,
	appointment_id bigint,
	service_name text
);
COMMENT ON TYPE day_entry IS 'A line of a barber''s day board; kind is free, appointment, hold or time_off.';

CREATE TYPE slot_check AS (
	available boolean,
	reason text,
	detail text
);
COMMENT ON TYPE slot_check IS 'Whether a slot could be booked now; if not, the reason code and a sentence about it.';

CREATE TYPE booking_outcome AS (
	appointment_id bigint,
	reason text
);
COMMENT ON TYPE booking_outcome IS 'The appointment that was made (reason NULL), or the reason code why none was.';

CREATE TYPE appointment AS (
	id bigint,
	barber_id bigint,
	service_id bigint,
	user_id bigint,
	starts_at timestamptz,
	ends_at timestamptz,
	status text,
	hold_expires_at timestamptz,
	price_cents bigint,
	visit_id bigint,
	version int
);
COMMENT ON TYPE appointment IS 'An appointment as the booking functions return it.';

CREATE TYPE visit_item AS (
	barber_id bigint,
	service_id bigint,
	starts_at timestamptz,
	guest_name text
);
COMMENT ON TYPE visit_item IS 'What one person gets from one barber in a visit; barber_id NULL: whoever is free, guest_name NULL: the customer.';

CREATE TYPE visit_slot AS (
	starts_at timestamptz,
	ends_at timestamptz,
	items visit_item[]
);
COMMENT ON TYPE visit_slot IS 'A bookable visit: when it begins and ends, and its items as book_visit takes them.';

CREATE TYPE series_outcome AS (
	occurrence int,
	starts_at timestamptz,
	appointment_id bigint,
	reason text,
	detail text
);
COMMENT ON TYPE series_outcome IS 'One occurrence of a series, from 1: the appointment that was made (reason NULL), or why none was.';

-- ---------------------------------------------------------------------------
-- Tables
--
-- They are ordinary tables, made by setup() and owned by its caller, not
-- members of the extension: pg_dump dumps them with their rows, and DROP
-- EXTENSION cannot drop them.  So that even CASCADE stops at the triggers, no
-- column, default, CHECK or index below uses anything of this extension.
-- ---------------------------------------------------------------------------

CREATE FUNCTION schema_parts()
RETURNS TABLE (kind text, name text, on_table text, definition text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $schema_parts$
VALUES
('table', 'shops', NULL, $$
CREATE TABLE booking.shops (
	id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	name text NOT NULL CHECK (name <> ''),
	time_zone text NOT NULL DEFAULT 'UTC'
		CONSTRAINT shops_time_zone_is_iana CHECK (time_zone !~ '[^A-Za-z0-9_/+-]' AND (
			time_zone !~ '[0-9]' OR
			time_zone ~ '^((posix|right)/)?(Etc/(GMT|UTC)[+-]?[0-9]{1,2}|GMT[+-]?0|EST5EDT|CST6CDT|MST7MDT|PST8PDT)$')),
	currency char(3) NOT NULL DEFAULT 'USD' CHECK (currency ~ '^[A-Z]{3}$'),
	slot_interval_minutes int NOT NULL DEFAULT 15 CHECK (slot_interval_minutes BETWEEN 1 AND 1440),
	slot_anchor text NOT NULL DEFAULT 'opening' CHECK (slot_anchor IN ('opening', 'clock', 'packed')),
	min_notice_minutes int NOT NULL DEFAULT 0 CHECK (min_notice_minutes BETWEEN 0 AND 525600),
	max_advance_days int NOT NULL DEFAULT 90 CHECK (max_advance_days BETWEEN 0 AND 3660),
	hold_minutes int NOT NULL DEFAULT 10 CHECK (hold_minutes BETWEEN 1 AND 10080),
	cancellation_window_minutes int NOT NULL DEFAULT 0 CHECK (cancellation_window_minutes BETWEEN 0 AND 525600),
	waitlist_hold_minutes int NOT NULL DEFAULT 60 CHECK (waitlist_hold_minutes BETWEEN 1 AND 10080),
	waitlist_grace_minutes int NOT NULL DEFAULT 5 CHECK (waitlist_grace_minutes BETWEEN 0 AND 1440),
	max_active_per_user int CHECK (max_active_per_user > 0),
	max_pending_per_user int DEFAULT 10 CHECK (max_pending_per_user > 0),
	max_waiting_per_user int DEFAULT 10 CHECK (max_waiting_per_user > 0),
	answer_within_minutes int CHECK (answer_within_minutes BETWEEN 1 AND 525600),
	prevent_user_overlap boolean NOT NULL DEFAULT false,
	assignment text NOT NULL DEFAULT 'least_booked' CHECK (assignment IN ('least_booked', 'round_robin', 'priority')),
	is_active boolean NOT NULL DEFAULT true
)$$),
('table', 'barbers', NULL, $$
CREATE TABLE booking.barbers (
	id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	shop_id bigint NOT NULL REFERENCES booking.shops,
	name text NOT NULL CHECK (name <> ''),
	priority int NOT NULL DEFAULT 0,
	max_per_day int CHECK (max_per_day > 0),
	is_active boolean NOT NULL DEFAULT true
)$$),
('table', 'services', NULL, $$
CREATE TABLE booking.services (
	id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	shop_id bigint NOT NULL REFERENCES booking.shops,
	name text NOT NULL CHECK (name <> ''),
	duration_minutes int NOT NULL CHECK (duration_minutes BETWEEN 1 AND 1440),
	buffer_before_minutes int NOT NULL DEFAULT 0 CHECK (buffer_before_minutes BETWEEN 0 AND 720),
	buffer_after_minutes int NOT NULL DEFAULT 0 CHECK (buffer_after_minutes BETWEEN 0 AND 720),
	slot_interval_minutes int CHECK (slot_interval_minutes BETWEEN 1 AND 1440),
	min_notice_minutes int CHECK (min_notice_minutes BETWEEN 0 AND 525600),
	requires_confirmation boolean NOT NULL DEFAULT false,
	capacity int NOT NULL DEFAULT 1 CHECK (capacity BETWEEN 1 AND 100000),
	price_cents bigint NOT NULL DEFAULT 0 CHECK (price_cents BETWEEN 0 AND 1000000000000),
	is_active boolean NOT NULL DEFAULT true
)$$),
-- A service with steps lasts as long as they do, gaps between them included: in
-- a gap the customer waits and the barber is free.  The last step's gap is void.
('table', 'service_steps', NULL, $$
CREATE TABLE booking.service_steps (
	service_id bigint NOT NULL REFERENCES booking.services ON DELETE CASCADE,
	position int NOT NULL CHECK (position BETWEEN 1 AND 20),
	work_minutes int NOT NULL CHECK (work_minutes BETWEEN 1 AND 1440),
	gap_minutes int NOT NULL DEFAULT 0 CHECK (gap_minutes BETWEEN 0 AND 1440),
	PRIMARY KEY (service_id, position)
)$$),
('table', 'barber_services', NULL, $$
CREATE TABLE booking.barber_services (
	barber_id bigint NOT NULL REFERENCES booking.barbers ON DELETE CASCADE,
	service_id bigint NOT NULL REFERENCES booking.services ON DELETE CASCADE,
	duration_minutes int CHECK (duration_minutes BETWEEN 1 AND 1440),
	price_cents bigint CHECK (price_cents BETWEEN 0 AND 1000000000000),
	PRIMARY KEY (barber_id, service_id)
)$$),
('table', 'users', NULL, $$
CREATE TABLE booking.users (
	id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	email text CHECK (email ~ '^[^@[:space:]]+@[^@[:space:]]+$' AND char_length(email) <= 254),
	name text,
	phone text,
	is_active boolean NOT NULL DEFAULT true,
	CONSTRAINT users_address CHECK (num_nonnulls(email, phone) >= 1),
	CONSTRAINT users_phone CHECK (email IS NOT NULL
		OR (phone !~ '[^-0-9+ ./()]' AND regexp_replace(phone, '[^0-9+]', '', 'g') ~ '^[+]?[0-9]{3,15}$'))
)$$),
-- Whom a shop does not take bookings of.
('table', 'blocked_customers', NULL, $$
CREATE TABLE booking.blocked_customers (
	shop_id bigint NOT NULL REFERENCES booking.shops ON DELETE CASCADE,
	user_id bigint NOT NULL REFERENCES booking.users ON DELETE CASCADE,
	reason text,
	since timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (shop_id, user_id)
)$$),
-- Whom a shop has taken the address of; that he has booked there, appointments
-- say.  Row security shows it their names.
('table', 'shop_customers', NULL, $$
CREATE TABLE booking.shop_customers (
	shop_id bigint NOT NULL REFERENCES booking.shops ON DELETE CASCADE,
	user_id bigint NOT NULL REFERENCES booking.users ON DELETE CASCADE,
	since timestamptz NOT NULL DEFAULT now(),
	PRIMARY KEY (shop_id, user_id)
)$$),
('table', 'working_hours', NULL, $$
CREATE TABLE booking.working_hours (
	id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	barber_id bigint NOT NULL REFERENCES booking.barbers ON DELETE CASCADE,
	weekday int NOT NULL CHECK (weekday BETWEEN 1 AND 7),
	opens time NOT NULL CHECK (opens < '24:00'),
	closes time NOT NULL,
	valid_from date NOT NULL DEFAULT '-infinity',
	valid_until date NOT NULL DEFAULT 'infinity',
	CHECK (closes <> opens),
	CHECK (valid_from <= valid_until)
)$$),
('table', 'schedule_overrides', NULL, $$
CREATE TABLE booking.schedule_overrides (
	id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	barber_id bigint REFERENCES booking.barbers ON DELETE CASCADE,
	shop_id bigint REFERENCES booking.shops ON DELETE CASCADE,
	on_date date NOT NULL CHECK (isfinite(on_date)),
	opens time CHECK (opens < '24:00'),
	closes time,
	note text,
	CHECK (num_nonnulls(barber_id, shop_id) = 1),
	CHECK ((opens IS NULL) = (closes IS NULL)),
	CHECK (closes <> opens)
)$$),
('table', 'time_off', NULL, $$
CREATE TABLE booking.time_off (
	id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	barber_id bigint REFERENCES booking.barbers ON DELETE CASCADE,
	shop_id bigint REFERENCES booking.shops ON DELETE CASCADE,
	starts_at timestamptz NOT NULL,
	ends_at timestamptz NOT NULL,
	reason text,
	CHECK (num_nonnulls(barber_id, shop_id) = 1),
	CHECK (starts_at < ends_at)
)$$),
('table', 'appointments', NULL, $$
CREATE TABLE booking.appointments (
	id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	barber_id bigint NOT NULL REFERENCES booking.barbers,
	service_id bigint NOT NULL REFERENCES booking.services,
	user_id bigint REFERENCES booking.users,
	starts_at timestamptz NOT NULL,
	ends_at timestamptz NOT NULL,
	busy_from timestamptz NOT NULL,
	busy_until timestamptz NOT NULL,
	status text NOT NULL DEFAULT 'confirmed',
	hold_expires_at timestamptz,
	price_cents bigint NOT NULL DEFAULT 0,
	idempotency_key text,
	visit_id bigint,
	version int NOT NULL DEFAULT 1,
	notes text,
	created_at timestamptz NOT NULL DEFAULT now(),
	updated_at timestamptz NOT NULL DEFAULT now(),
	cancelled_at timestamptz,
	cancel_reason text,
	cancelled_by text,
	part_of bigint REFERENCES booking.appointments ON DELETE CASCADE,
	series_id bigint,
	guest_name text,
	is_assigned boolean NOT NULL DEFAULT false,
	overrides text[],
	request_hash bigint,
	key_shop_id bigint,
	key_user_id bigint,
	is_request boolean NOT NULL DEFAULT false,
	CONSTRAINT appointments_status CHECK (status IN
		('pending', 'confirmed', 'checked_in', 'completed', 'cancelled', 'no_show', 'expired')),
	CONSTRAINT appointments_time CHECK (starts_at < ends_at
		AND isfinite(starts_at) AND isfinite(ends_at)),
	CONSTRAINT appointments_busy CHECK (busy_from <= starts_at AND ends_at <= busy_until
		AND busy_until - busy_from <= interval '2 days'),
	CONSTRAINT appointments_hold CHECK (hold_expires_at IS NULL
		OR status IN ('pending', 'cancelled', 'expired')),
	CONSTRAINT appointments_cancelled CHECK (cancelled_at IS NULL OR status = 'cancelled'),
	CONSTRAINT appointments_cancelled_by CHECK (cancelled_by IS NULL
		OR (cancelled_by IN ('customer', 'shop') AND status = 'cancelled')),
	CONSTRAINT appointments_part CHECK (part_of <> id),
	CONSTRAINT appointments_price CHECK (price_cents BETWEEN 0 AND 1000000000000),
	CONSTRAINT appointments_key CHECK (char_length(idempotency_key) BETWEEN 1 AND 200)
)$$),
-- What was changed: both sides hold the changed columns alone, all of them
-- where the row was deleted.  An appointment that goes to another shop or
-- customer leaves two entries of one version: with the old ones the row as it
-- was, with the new ones the row as it is, and nothing on the other side.  It
-- outlives the appointment.
('table', 'appointment_history', NULL, $$
CREATE TABLE booking.appointment_history (
	id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	appointment_id bigint NOT NULL,
	version int NOT NULL,
	changed_at timestamptz NOT NULL,
	changed_by text NOT NULL,
	db_role text NOT NULL,
	from_values jsonb NOT NULL,
	to_values jsonb,
	shop_id bigint,
	user_id bigint
)$$),
-- offer_ends_at: until when the customer may take the offer; NULL once it was
-- taken and waits for the shop to confirm.  The appointment's
-- hold_expires_at, until when its time is taken, may be later: the shop's grace.
('table', 'waitlist', NULL, $$
CREATE TABLE booking.waitlist (
	id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	user_id bigint NOT NULL REFERENCES booking.users ON DELETE CASCADE,
	service_id bigint NOT NULL REFERENCES booking.services ON DELETE CASCADE,
	barber_id bigint REFERENCES booking.barbers ON DELETE CASCADE,
	earliest timestamptz NOT NULL CHECK (isfinite(earliest)),
	latest timestamptz NOT NULL CHECK (isfinite(latest)),
	status text NOT NULL DEFAULT 'waiting',
	appointment_id bigint REFERENCES booking.appointments ON DELETE SET NULL,
	joined_at timestamptz NOT NULL DEFAULT now(),
	served_at timestamptz,
	offer_ends_at timestamptz,
	CONSTRAINT waitlist_status CHECK (status IN ('waiting', 'served', 'left', 'expired')),
	CONSTRAINT waitlist_wish CHECK (earliest < latest)
)$$),
('index', 'idx_barbers_active', 'barbers', $$
CREATE INDEX idx_barbers_active ON booking.barbers (shop_id) WHERE is_active$$),
('index', 'idx_services_active', 'services', $$
CREATE INDEX idx_services_active ON booking.services (shop_id) WHERE is_active$$),
('index', 'idx_barber_services_service', 'barber_services', $$
CREATE INDEX idx_barber_services_service ON booking.barber_services (service_id)$$),
('index', 'idx_users_email_active', 'users', $$
CREATE UNIQUE INDEX idx_users_email_active ON booking.users (lower(email COLLATE "C")) WHERE is_active$$),
('index', 'idx_users_phone_active', 'users', $$
CREATE UNIQUE INDEX idx_users_phone_active ON booking.users (regexp_replace(phone, '[^0-9+]', '', 'g'))
WHERE is_active AND email IS NULL$$),
('index', 'idx_blocked_customers_user', 'blocked_customers', $$
CREATE INDEX idx_blocked_customers_user ON booking.blocked_customers (user_id)$$),
('index', 'idx_shop_customers_user', 'shop_customers', $$
CREATE INDEX idx_shop_customers_user ON booking.shop_customers (user_id)$$),
('index', 'idx_working_hours_barber', 'working_hours', $$
CREATE INDEX idx_working_hours_barber ON booking.working_hours (barber_id)$$),
('index', 'idx_schedule_overrides_barber', 'schedule_overrides', $$
CREATE INDEX idx_schedule_overrides_barber ON booking.schedule_overrides (barber_id, on_date)$$),
('index', 'idx_schedule_overrides_shop', 'schedule_overrides', $$
CREATE INDEX idx_schedule_overrides_shop ON booking.schedule_overrides (shop_id, on_date)$$),
('index', 'idx_time_off_barber', 'time_off', $$
CREATE INDEX idx_time_off_barber ON booking.time_off (barber_id, ends_at)$$),
('index', 'idx_time_off_shop', 'time_off', $$
CREATE INDEX idx_time_off_shop ON booking.time_off (shop_id, ends_at)$$),
('index', 'idx_appointments_availability_check', 'appointments', $$
CREATE INDEX idx_appointments_availability_check ON booking.appointments (barber_id, busy_from)
INCLUDE (busy_until, hold_expires_at) WHERE status IN ('pending', 'confirmed', 'checked_in')$$),
('index', 'idx_appointments_barber_date', 'appointments', $$
CREATE INDEX idx_appointments_barber_date ON booking.appointments (barber_id, starts_at)$$),
('index', 'idx_appointments_user_status', 'appointments', $$
CREATE INDEX idx_appointments_user_status ON booking.appointments (user_id, status)$$),
('index', 'idx_appointments_idempotency_key', 'appointments', $$
CREATE UNIQUE INDEX idx_appointments_idempotency_key ON booking.appointments (idempotency_key, key_shop_id, key_user_id)
NULLS NOT DISTINCT WHERE idempotency_key IS NOT NULL$$),
('index', 'idx_appointments_visit', 'appointments', $$
CREATE INDEX idx_appointments_visit ON booking.appointments (visit_id) WHERE visit_id IS NOT NULL$$),
('index', 'idx_appointments_part', 'appointments', $$
CREATE INDEX idx_appointments_part ON booking.appointments (part_of) WHERE part_of IS NOT NULL$$),
('index', 'idx_appointments_hold', 'appointments', $$
CREATE INDEX idx_appointments_hold ON booking.appointments (hold_expires_at)
WHERE status = 'pending' AND hold_expires_at IS NOT NULL$$),
('index', 'idx_appointments_assigned', 'appointments', $$
CREATE INDEX idx_appointments_assigned ON booking.appointments (barber_id, id) WHERE is_assigned$$),
('index', 'idx_appointment_history_appointment', 'appointment_history', $$
CREATE INDEX idx_appointment_history_appointment ON booking.appointment_history (appointment_id, id)$$),
('index', 'idx_waitlist_waiting', 'waitlist', $$
CREATE INDEX idx_waitlist_waiting ON booking.waitlist (service_id, id, earliest, latest) WHERE status = 'waiting'$$),
('index', 'idx_waitlist_wish', 'waitlist', $$
CREATE UNIQUE INDEX idx_waitlist_wish ON booking.waitlist (user_id, service_id, coalesce(barber_id, 0), earliest, latest)
WHERE status = 'waiting'$$),
('index', 'idx_waitlist_user', 'waitlist', $$
CREATE INDEX idx_waitlist_user ON booking.waitlist (user_id)$$),
('index', 'idx_waitlist_appointment', 'waitlist', $$
CREATE INDEX idx_waitlist_appointment ON booking.waitlist (appointment_id) WHERE appointment_id IS NOT NULL$$),
-- Row triggers fire in the order of their names: the first check after all other
-- BEFORE triggers, so that it sees the row that will be stored; the second before
-- the foreign keys' "RI_ConstraintTrigger_...", which may wait for others.
('trigger', 'zz_guard_before', 'appointments', $$
CREATE TRIGGER zz_guard_before BEFORE INSERT OR UPDATE ON booking.appointments
FOR EACH ROW EXECUTE FUNCTION booking.guard_before()$$),
('trigger', '00_guard_after', 'appointments', $$
CREATE TRIGGER "00_guard_after" AFTER INSERT OR UPDATE ON booking.appointments
FOR EACH ROW EXECUTE FUNCTION booking.guard_after()$$),
('trigger', 'history', 'appointments', $$
CREATE TRIGGER history AFTER DELETE OR UPDATE ON booking.appointments
FOR EACH ROW EXECUTE FUNCTION booking.appointment_changed()$$),
('trigger', 'check_steps', 'service_steps', $$
CREATE TRIGGER check_steps AFTER INSERT OR UPDATE ON booking.service_steps
FOR EACH ROW EXECUTE FUNCTION booking.check_steps()$$),
('trigger', 'check_steps', 'services', $$
CREATE TRIGGER check_steps AFTER UPDATE ON booking.services
FOR EACH ROW EXECUTE FUNCTION booking.check_steps()$$),
('trigger', 'check_time_zone', 'shops', $$
CREATE TRIGGER check_time_zone BEFORE INSERT OR UPDATE ON booking.shops
FOR EACH ROW EXECUTE FUNCTION booking.check_time_zone()$$)
UNION ALL
SELECT 'trigger', 'configuration_changed', t, pg_catalog.format($$
CREATE TRIGGER configuration_changed AFTER INSERT OR DELETE OR UPDATE OR TRUNCATE ON booking.%I
FOR EACH STATEMENT EXECUTE FUNCTION booking.configuration_changed()$$, t)
FROM unnest(ARRAY['shops', 'barbers', 'services', 'service_steps', 'barber_services',
	'working_hours', 'schedule_overrides', 'time_off', 'blocked_customers']) AS t
UNION ALL
-- Where logical replication writes, no statement trigger fires, and of the row
-- triggers only those that are enabled for it.
SELECT 'trigger', 'configuration_replicated', t, pg_catalog.format($$
CREATE OR REPLACE TRIGGER configuration_replicated AFTER INSERT OR DELETE OR UPDATE ON booking.%1$I
FOR EACH ROW EXECUTE FUNCTION booking.configuration_changed();
ALTER TABLE booking.%1$I ENABLE REPLICA TRIGGER configuration_replicated$$, t)
FROM unnest(ARRAY['shops', 'barbers', 'services', 'service_steps', 'barber_services',
	'working_hours', 'schedule_overrides', 'time_off', 'blocked_customers']) AS t
$schema_parts$;
COMMENT ON FUNCTION schema_parts() IS
'The tables, indexes and triggers that setup() makes, in the order it makes them, with their DDL.';

CREATE FUNCTION check_tables() RETURNS void
AS 'MODULE_PATHNAME', 'booking_check_tables' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION check_tables() IS
'Raises an error that names the first table or column of the booking schema that is missing or not as the functions need it: another type, NULL where setup() allows none, generated, a nondeterministic collation.';

CREATE FUNCTION setup(owner regrole DEFAULT NULL) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
AS $setup$
DECLARE
	-- What is there already says whose new tables are.
	tables_owner CONSTANT regrole := coalesce(owner,
		(SELECT relowner FROM pg_class WHERE oid = to_regclass('booking.appointments')));
	part record;
	tables_checked boolean := false;
BEGIN
	IF owner IS NOT NULL THEN
		PERFORM booking.require_role(owner);
	END IF;

	FOR part IN SELECT * FROM booking.schema_parts() LOOP
		-- Indexes and triggers on a table that is not ours would fail with
		-- a message about themselves; name the table's fault first.
		IF part.kind <> 'table' AND NOT tables_checked THEN
			PERFORM booking.check_tables();
			tables_checked := true;
		END IF;

		CONTINUE WHEN CASE part.kind
			-- ENABLE TRIGGER ALL, as pg_restore --disable-triggers ends,
			-- makes a replica's trigger an ordinary one.
			WHEN 'trigger' THEN EXISTS (
				SELECT FROM pg_trigger
				WHERE tgrelid = format('booking.%I', part.on_table)::regclass
				AND tgname = part.name
				AND (tgenabled <> 'O' OR part.definition !~ 'ENABLE REPLICA'))
			ELSE to_regclass(format('booking.%I', part.name)) IS NOT NULL
		END;

		EXECUTE part.definition;
		IF part.kind = 'table' AND tables_owner IS NOT NULL THEN
			EXECUTE format('ALTER TABLE booking.%I OWNER TO %s', part.name, tables_owner);
		END IF;
		RETURN NEXT concat_ws(' ', 'created', part.kind, part.name, 'on ' || part.on_table,
			CASE WHEN part.kind = 'table' AND owner IS NULL AND tables_owner <> current_user::regrole THEN 'for role ' || tables_owner END);
	END LOOP;

	IF owner IS NOT NULL OR NOT has_schema_privilege(tables_owner, 'booking', 'USAGE') THEN
		EXECUTE format('GRANT USAGE ON SCHEMA booking TO %s', tables_owner);
	END IF;

	RETURN QUERY
		SELECT CASE f.check_name
			WHEN 'missing_index' THEN format('left out index %s: something else has its name; rename that, then SELECT booking.setup()',
				split_part(f.detail, ' ', 1))
			WHEN 'invalid_index' THEN format('left index %s; DROP INDEX booking.%s, then SELECT booking.setup()', f.detail, split_part(f.detail, ' ', 1))
			ELSE format('left trigger %s; DROP TRIGGER %I ON booking.%I, then SELECT booking.setup()', f.detail,
				regexp_replace(f.detail, ' is not as setup.*$', ''), f.table_name) END
		FROM booking.find_catalog_faults() f
		WHERE f.check_name IN ('missing_index', 'invalid_index', 'altered_trigger')
		UNION ALL
		SELECT concat_ws(': ', 'look at schema booking', f.table_name, f.detail)
		FROM booking.find_schema_faults() f
		UNION ALL
		SELECT format('look at row security: %s: %s; SELECT booking.enable_row_security()', f.table_name, f.detail)
		FROM booking.find_policy_faults() f;
END
$setup$;
COMMENT ON FUNCTION setup(regrole) IS
'Creates the tables, indexes and triggers that are missing, and returns a line for each; nothing that exists is changed, but for a trigger
of a logical replica''s that has become an ordinary one.
What is there and other than this makes it, what of row security is damaged, and who else could change what the functions run (find_schema_faults) is left as it is: a line for each says so, and what mends it.
owner: the role that shall own new tables (default: the owner of table appointments; if that is new as well, the caller). Needs CREATE on schema booking.
Errors: 42703/42804/42P16/42P21 (from check_tables) when a table of that name lacks a column or has it otherwise than the functions need it.';

-- ---------------------------------------------------------------------------
-- Reads: availability
--
-- All of them compute from the rows of the caller's snapshot, run on a hot
-- standby, and show no customer's data.
-- ---------------------------------------------------------------------------

CREATE FUNCTION available_slots(service_id bigint, from_date date, to_date date DEFAULT NULL,
	barber_id bigint DEFAULT NULL, for_appointment_id bigint DEFAULT NULL, overrides text[] DEFAULT NULL) RETURNS SETOF slot
AS 'MODULE_PATHNAME', 'booking_available_slots' LANGUAGE C STABLE PARALLEL SAFE ROWS 30;
COMMENT ON FUNCTION available_slots(bigint, date, date, bigint, bigint, text[]) IS
'The slots of a service on the local dates from_date to to_date (default: from_date alone), at most 366 days, ordered by starts_at, barber_id.
barber_id NULL: of every barber who offers the service. A barber who does not offer it, or anything inactive, gives no rows.
seats_left: how many may still book it, for a service with a capacity. ends_at: the end of the last step, for a service with steps.
for_appointment_id: an appointment that is to be moved; the starts that reschedule_appointment would take from the same caller, by the customer''s limits too, each with the end that it would have. It keeps its length, buffers and parts as it does there; its own time is not in its way, and of a visit of several appointments all must fit.
One that may not be moved (any more) has none: it is over, cancelled, checked in, a hold that ran out, or its shop''s cancellation window has closed. overrides => ''{window}'', which staff alone may pass, shows where it could go all the same.
Errors: P0002 unknown service, barber or appointment, or not the caller''s; 42501 for_appointment_id from a role that may not execute reschedule_appointment, or overrides from others than staff; 22004 NULL service or from_date; 22023 infinite, reversed or too long range, another override, or one without for_appointment_id; 54000 more rows than booking.max_rows.';

CREATE FUNCTION next_slots(service_id bigint, not_before timestamptz DEFAULT NULL, how_many int DEFAULT 1,
	barber_id bigint DEFAULT NULL) RETURNS SETOF slot
AS 'MODULE_PATHNAME', 'booking_next_slots' LANGUAGE C STABLE PARALLEL SAFE ROWS 1;
COMMENT ON FUNCTION next_slots(bigint, timestamptz, int, bigint) IS
'The earliest how_many (1 to 10000) slots of a service that start at not_before (default: now) or later, ordered by starts_at, barber_id.
It looks no further than the shop''s max_advance_days and stops as soon as it has them. Errors as available_slots.';

CREATE FUNCTION availability_by_day(service_id bigint, from_date date, to_date date,
	barber_id bigint DEFAULT NULL) RETURNS SETOF day_availability
AS 'MODULE_PATHNAME', 'booking_availability_by_day' LANGUAGE C STABLE PARALLEL SAFE ROWS 31;
COMMENT ON FUNCTION availability_by_day(bigint, date, date, bigint) IS
'One row for every local date of the range: how many rows available_slots has for it, and the earliest start. Errors as available_slots; 54000 when there are more than ten times booking.max_rows slots to count.';

CREATE FUNCTION free_time(barber_id bigint, from_date date, to_date date DEFAULT NULL) RETURNS SETOF time_span
AS 'MODULE_PATHNAME', 'booking_free_time' LANGUAGE C STABLE PARALLEL SAFE ROWS 10;
COMMENT ON FUNCTION free_time(bigint, date, date) IS
'The time in which the barber works and is not busy (buffers are busy), merged, clipped to the local dates; an inactive barber or shop has none.
Notice, horizon and grid play no part. Errors as available_slots.';

CREATE FUNCTION get_barber_availability(barber_id bigint, date date) RETURNS SETOF day_entry
AS 'MODULE_PATHNAME', 'booking_get_barber_availability' LANGUAGE C STABLE PARALLEL SAFE ROWS 20;
COMMENT ON FUNCTION get_barber_availability(bigint, date) IS
'A barber''s local date as a board shows it, ordered by start: free time and time off clipped to the date, live appointments and holds whole.
A staff view: revoked from PUBLIC. Errors as available_slots.';

CREATE FUNCTION check_slot(barber_id bigint, service_id bigint, starts_at timestamptz) RETURNS slot_check
AS 'MODULE_PATHNAME', 'booking_check_slot' LANGUAGE C STABLE PARALLEL SAFE;
COMMENT ON FUNCTION check_slot(bigint, bigint, timestamptz) IS
'Would book_slot take this slot now, and if not, why: reason is the code that book_slot''s error would have.
Committed rows of the caller''s snapshot decide; a booking under way elsewhere is not seen. Errors: 22004 NULL argument; 22023 infinite starts_at.';

CREATE FUNCTION available_visits(service_ids bigint[], from_date date, to_date date,
	barber_id bigint DEFAULT NULL, same_barber boolean DEFAULT false) RETURNS SETOF visit_slot
AS 'MODULE_PATHNAME', 'booking_available_visits' LANGUAGE C STABLE PARALLEL SAFE ROWS 30;
COMMENT ON FUNCTION available_visits(bigint[], date, date, bigint, boolean) IS
'The times on those local dates at which the services (1 to 10, of one shop) fit back to back in the given order, one row for each start, with the items that book_visit takes.
The first begins on its grid, each next one when the one before ends; with the same barber, once the buffers between them have passed.
Who comes next is the same barber if possible, else the one with the lowest id. barber_id: by that one alone; same_barber: all by one.
Errors as available_slots; 22023 no or too many services, or of two shops; 22004 NULL in service_ids; 54000 also when the first service has more than ten times booking.max_rows slots, or there are too many ways to arrange a visit.';

-- ---------------------------------------------------------------------------
-- Reads: what the page around a booking lists
--
-- These run their query as the tables' owner, under a pinned search_path.
-- ---------------------------------------------------------------------------

CREATE FUNCTION active_services(shop_id bigint)
RETURNS TABLE (service_id bigint, name text, duration_minutes int, price_cents bigint, currency text,
	requires_confirmation boolean)
AS 'MODULE_PATHNAME', 'booking_active_services' LANGUAGE C STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION active_services(bigint) IS
'The services a shop offers now, by name: active, in an active shop, and offered by an active barber. Minutes and price are the service''s;
a barber may have others, which active_barbers(shop_id, service_id) shows. Errors: P0002 unknown shop; 22004 NULL; 54000 more rows than booking.max_rows.';

CREATE FUNCTION active_barbers(shop_id bigint, service_id bigint DEFAULT NULL)
RETURNS TABLE (barber_id bigint, name text, duration_minutes int, price_cents bigint, currency text)
AS 'MODULE_PATHNAME', 'booking_active_barbers' LANGUAGE C STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION active_barbers(bigint, bigint) IS
'The active barbers of an active shop, by name. With service_id: those who offer it, with their own minutes and price; without: both NULL.
Errors: P0002 unknown shop or service; 22004 NULL shop_id; 54000 more rows than booking.max_rows.';

CREATE FUNCTION user_appointments(user_id bigint, upcoming boolean DEFAULT true)
RETURNS TABLE (appointment_id bigint, starts_at timestamptz, ends_at timestamptz, status text,
	hold_expires_at timestamptz, price_cents bigint, currency text, version int,
	barber_id bigint, barber_name text, service_id bigint, service_name text,
	shop_id bigint, shop_name text, time_zone text)
AS 'MODULE_PATHNAME', 'booking_user_appointments' LANGUAGE C STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION user_appointments(bigint, boolean) IS
'A customer''s appointments. upcoming: those live and not over, soonest first; otherwise all the others, latest first. hold_expires_at: until when it can be confirmed; an offer of the waitlist may keep its time for longer.
With booking.shop_id set, those in that shop. Customer data: revoked from PUBLIC. Errors: P0002 unknown user, or with booking.shop_id none of the shop''s customers; 22004 NULL argument; 42501 another''s user_id; 54000 more rows than booking.max_rows.';

-- ---------------------------------------------------------------------------
-- Writes
--
-- They write as the tables' owner, the way foreign-key triggers do, so that a
-- caller needs EXECUTE and no table privilege.
-- ---------------------------------------------------------------------------

CREATE FUNCTION book_slot(barber_id bigint, service_id bigint, user_id bigint, starts_at timestamptz,
	idempotency_key text DEFAULT NULL, overrides text[] DEFAULT NULL) RETURNS appointment
AS 'MODULE_PATHNAME', 'booking_book_slot' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION book_slot(bigint, bigint, bigint, timestamptz, text, text[]) IS
'Books a slot and returns the appointment, or raises the error of the first rule that refuses it. Call it as SELECT * FROM book_slot(...).
barber_id NULL: whoever is free, in the order of the shop''s assignment. user_id NULL: a walk-in.
idempotency_key: the same key with the same request returns the first appointment again, also when both run at once. A key is the customer''s at that shop: another customer or shop may use the same one.
Once the key''s appointment was cancelled it is SL010, once its hold ran out SL008: neither is a booking.
overrides: rules that staff, and nobody else, may break: hours, notice, grid, horizon, limits, window; never the overlap. Those that were broken are kept on the row.
A service that requires confirmation is booked as pending, for the shop''s answer_within_minutes if that is set, at most until it begins. Of pending appointments, holds and offers too, a customer has at most the shop''s max_pending_per_user (SL006). One with steps is stored as a visit, a row for each step, of which the first is returned.
It succeeds exactly when the slot is in available_slots and no limit of the customer''s is reached; it waits only for a transaction that is booking or freeing an overlapping time, or the last place under a limit, at every isolation level.
Errors: 23P01 slot_taken, SL001 outside_hours, SL002 notice_too_short, SL003 too_far_ahead, SL004 off_grid, SL005 not_offered, SL006 limit_reached, SL008 hold_expired (the key''s), SL010 idempotency_conflict, SL012 user_overlap, SL014 not_welcome, P0002 not_found, 22004, 22023; 42501 another''s user_id, or overrides, where that is not the caller''s to ask for; 23503 when the barber, service or user is deleted at the same moment.';

CREATE FUNCTION try_book_slot(barber_id bigint, service_id bigint, user_id bigint, starts_at timestamptz,
	idempotency_key text DEFAULT NULL, overrides text[] DEFAULT NULL) RETURNS booking_outcome
AS 'MODULE_PATHNAME', 'booking_try_book_slot' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION try_book_slot(bigint, bigint, bigint, timestamptz, text, text[]) IS
'book_slot that answers a "no" with its reason code instead of an error, so that the transaction goes on. Only bad arguments (22004, 22023) and missing privileges (42501) are errors.';

CREATE FUNCTION hold_slot(barber_id bigint, service_id bigint, user_id bigint, starts_at timestamptz,
	hold_for interval DEFAULT NULL, idempotency_key text DEFAULT NULL, overrides text[] DEFAULT NULL) RETURNS appointment
AS 'MODULE_PATHNAME', 'booking_hold_slot' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION hold_slot(bigint, bigint, bigint, timestamptz, interval, text, text[]) IS
'book_slot that holds the slot as pending until confirm_appointment, at most for hold_for (default: the shop''s hold_minutes; more than 0, at most 7 days), and at most until it begins.
hold_for beyond the shop''s hold_minutes is staff''s: anybody else''s hold is cut to those minutes, without an error. A customer has at most the shop''s max_pending_per_user holds and other pending appointments (SL006).
From hold_expires_at on it occupies nothing; nothing has to run for that. Errors as book_slot.';

CREATE FUNCTION book_visit(user_id bigint, items visit_item[], idempotency_key text DEFAULT NULL,
	overrides text[] DEFAULT NULL) RETURNS SETOF appointment
AS 'MODULE_PATHNAME', 'booking_book_visit' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 3
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION book_visit(bigint, visit_item[], text, text[]) IS
'Books up to 20 items at once, all or nothing, under one visit_id; returns an appointment for each, in the order of the items.
An item that begins when another of the visit ends (with the same barber: once the buffers between them have passed) need not be on the grid.
Where the shop prevents overlaps of a customer, two items at one time must be for different guests (SL012); a gap between a service''s steps is free for another item.
No deadlock however the items are ordered: the call waits for others only while nothing of it is stored. Errors as book_slot.';

CREATE FUNCTION book_series(barber_id bigint, service_id bigint, user_id bigint, first_starts_at timestamptz,
	every interval, occurrences int, on_conflict text DEFAULT 'fail', overrides text[] DEFAULT NULL) RETURNS SETOF series_outcome
AS 'MODULE_PATHNAME', 'booking_book_series' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION book_series(bigint, bigint, bigint, timestamptz, interval, int, text, text[]) IS
'Books 1 to 200 occurrences at the same wall-clock time of the shop, every so many days, weeks or months (at least a day), counted from the first.
on_conflict fail: all or nothing, with the error of the first that is refused; skip: books what it can and says which failed and why.
Appointments of a series share a series_id. Errors as book_slot; 22008 a series that runs out of the calendar.';

-- ---------------------------------------------------------------------------
-- Writes: changing an appointment
--
-- version: the one the caller has seen; if the appointment has another by now,
-- SL011 instead of a change.  NULL: whatever it is.  All parts of a service with
-- steps change together, whichever of them is named.
-- ---------------------------------------------------------------------------

CREATE FUNCTION confirm_appointment(appointment_id bigint, version int DEFAULT NULL, overrides text[] DEFAULT NULL) RETURNS appointment
AS 'MODULE_PATHNAME', 'booking_confirm_appointment' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION confirm_appointment(bigint, int, text[]) IS
'Confirms a hold, or, as staff, an appointment that waits for the shop''s confirmation; of a service that requires it, staff confirm holds too. An offer of the waitlist for such a service becomes a request when its customer confirms it: pending, for the shop to confirm within answer_within_minutes.
Once it has begun it can be confirmed by staff with overrides => ''{notice}'' alone. One that is confirmed, checked in or completed already is returned as it is, whatever version was passed.
Errors: 42501 when it is the shop''s to confirm; P0002 not_found, also with booking.shop_id set for the hold of somebody who is none of the shop''s customers; SL002 when it waited for the shop and has begun; SL008 hold_expired; SL009 when it is not pending; SL011 version_conflict; SL014 not_welcome, but for what staff confirm for the shop; 23P01 when its group has no such seat any more; 22004; 22023.';

CREATE FUNCTION decline_appointment(appointment_id bigint, reason text DEFAULT NULL, version int DEFAULT NULL) RETURNS appointment
AS 'MODULE_PATHNAME', 'booking_decline_appointment' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION decline_appointment(bigint, text, int) IS
'The shop''s "no" to a pending appointment: cancelled, by the shop. Its time goes to the waitlist, if anybody waits for it.
Who may execute this is staff to all functions: see grant_role. One that the shop has cancelled or declined already is returned as it is.
Errors: P0002 not_found; SL009 when it is not pending; SL011 version_conflict; 22004.';

CREATE FUNCTION cancel_appointment(appointment_id bigint, reason text DEFAULT NULL, cancelled_by text DEFAULT 'customer',
	version int DEFAULT NULL) RETURNS appointment
AS 'MODULE_PATHNAME', 'booking_cancel_appointment' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION cancel_appointment(bigint, text, text, int) IS
'Cancels a pending or confirmed appointment; its time is free for others when the transaction commits, unless somebody on the waitlist gets it. Of a visit it cancels the named appointment alone.
cancelled_by: customer, who is bound by the shop''s cancellation_window_minutes (but for a hold), or shop, which is not, and for which staff alone may speak.
One that the same side has cancelled already is returned as it is, whatever version was passed.
Errors: 42501 shop, from others; P0002 not_found; SL007 when less than the window is left before the start; SL009 when it is over, or cancelled by the other side; SL011 version_conflict; 22004; 22023.';

CREATE FUNCTION reschedule_appointment(appointment_id bigint, starts_at timestamptz, barber_id bigint DEFAULT NULL,
	service_id bigint DEFAULT NULL, version int DEFAULT NULL, overrides text[] DEFAULT NULL,
	whole_visit boolean DEFAULT true) RETURNS appointment
AS 'MODULE_PATHNAME', 'booking_reschedule_appointment' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION reschedule_appointment(bigint, timestamptz, bigint, bigint, int, text[], boolean) IS
'Moves a pending or confirmed appointment, to another barber or service too; the row stays the same, and its own old time is never in its way.
available_slots(..., for_appointment_id) shows what it could move to. With the same barber and service it keeps its price, length, buffers and parts, whatever the service has by now. Another barber''s price is his own, and so is the length, unless the appointment has one of its own; another service has its own price and length.
whole_visit: the other appointments of its visit that are pending or confirmed (and the caller''s) move by the same distance, all or nothing, each with its own barber and time; those that begin later than its first need not be on the grid. barber_id, service_id and version concern the named one alone; with its start unchanged it changes alone. The result is its row; the others are those with its visit_id.
A hold ends at its new start at the latest. A confirmed appointment becomes pending again, as book_slot would book it, where it goes to a service that requires confirmation, whoever moves it; and where it stays with such a service but gets another time or barber, unless staff move it. The others of its visit likewise, each for itself.
Like a cancellation a move is bound by the shop''s cancellation window (SL007), unless overrides has window.
Errors as book_slot, but SL014 only in another shop; SL008 hold_expired; SL009 invalid_transition; SL011 version_conflict; 22004 NULL whole_visit.';

CREATE FUNCTION check_in(appointment_id bigint, version int DEFAULT NULL) RETURNS appointment
AS 'MODULE_PATHNAME', 'booking_check_in' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION check_in(bigint, int) IS
'The customer is there. One that is checked in already is returned as it is. Errors: P0002 not_found; SL009 when it is not confirmed; SL011 version_conflict; 22004.';

CREATE FUNCTION complete_appointment(appointment_id bigint, version int DEFAULT NULL) RETURNS appointment
AS 'MODULE_PATHNAME', 'booking_complete_appointment' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION complete_appointment(bigint, int) IS
'The work is done; whatever is left of its time is free. One that is completed already is returned as it is. Errors: P0002 not_found; SL009 when it is not confirmed or checked in; SL011 version_conflict; 22004.';

CREATE FUNCTION mark_no_show(appointment_id bigint, version int DEFAULT NULL) RETURNS appointment
AS 'MODULE_PATHNAME', 'booking_mark_no_show' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION mark_no_show(bigint, int) IS
'The customer did not come. One that is marked already is returned as it is. Errors: P0002 not_found; SL009 when it is not confirmed or checked in, or has not begun; SL011 version_conflict; 22004.';

CREATE FUNCTION expire_holds() RETURNS int
AS 'MODULE_PATHNAME', 'booking_expire_holds' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION expire_holds() IS
'Housekeeping: marks holds and offers that have run out as expired, and returns how many appointments there were: of either the oldest 1000 rows at most, where a service with steps has one for each part. Of the wishes on the waitlist that are past it marks 1000 as expired. Availability does not depend on it.
Then it serves the waitlist with whatever can be had, however that became free: a row that was changed or deleted by hand, longer hours, more seats, time that was free when somebody joined.
A call does about 2000 pieces of work for that (a customer tried at one start, fifty entries read, a barber''s service computed) and ends in a second or two, however much there is to do. A wish is tried at 20 starts with a barber at most, the first ten in order, then at random; who has all that the shop allows a customer is tried once. Of the services that are waited for, a call looks at 1000, at random. For half of the work the barbers come first who have been waited for the longest; the other half is for any of the rest, at random, as is the place in a line at which it goes on behind 200 tries in vain: so nobody is left out for ever, whatever the ids, as long as no more than 100,000 services are waited for and 100,000 wishes are behind that place; beyond that, services and places are drawn from the range of the ids.
An entry for which a trigger raises an error is passed over with a warning, and so is a barber whose shop''s configuration cannot be read.
Waits for nobody: what another transaction is changing is left for the next call. Call it from pg_cron, or any timer, each minute say.';

CREATE FUNCTION join_waitlist(user_id bigint, service_id bigint, earliest timestamptz, latest timestamptz,
	barber_id bigint DEFAULT NULL) RETURNS bigint
AS 'MODULE_PATHNAME', 'booking_join_waitlist' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION join_waitlist(bigint, bigint, timestamptz, timestamptz, bigint) IS
'Waits for a slot of the service that begins at earliest or later and ends by latest, with that barber or (NULL) any; returns the id of the place in line. Seconds count for nothing: earliest is rounded up to a whole minute, latest down. The same wish again returns the same place.
A customer has at most max_waiting_per_user wishes waiting in a shop (10 unless the shop says otherwise, NULL: any number), also when two join at once.
When a cancellation, decline, move, no-show or early completion frees such a time, the first in line gets an offer in that transaction: a hold to confirm within the shop''s waitlist_hold_minutes, before the appointment begins; where the service requires it, the shop confirms after that. Nobody has two open offers. What became free in another way, or was free all the time, is offered by the next expire_holds().
An offer that is not taken is kept for the next in line, up to waitlist_grace_minutes, until expire_holds() or a cancellation in the shop gives it on; then anybody can book it.
Errors: P0002 unknown user, service or barber; SL005 not_offered; SL006 limit_reached; SL014 not_welcome; 22004; 22023 a wish that is infinite, reversed, past, or shorter than the service.';

CREATE FUNCTION leave_waitlist(entry_id bigint) RETURNS boolean
AS 'MODULE_PATHNAME', 'booking_leave_waitlist' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION leave_waitlist(bigint) IS
'Gives up a place in line; false when it was served or given up before. Errors: P0002 not_found; 22004.';

CREATE FUNCTION appointments_at_risk(shop_id bigint)
RETURNS TABLE (appointment_id bigint, barber_id bigint, service_id bigint, user_id bigint,
	starts_at timestamptz, ends_at timestamptz, reason text, detail text)
AS 'MODULE_PATHNAME', 'booking_appointments_at_risk' LANGUAGE C STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION appointments_at_risk(bigint) IS
'The live appointments of a shop, not yet over, that no longer fit, by start: reason not_offered (shop, barber or service switched off, or no longer offered) or outside_hours (hours changed, time off added).
Those booked with the override hours are not asked about hours. A staff view: revoked from PUBLIC. Errors: P0002 unknown shop; 22004; 54000 more rows than booking.max_rows.';

CREATE FUNCTION ensure_user(email text DEFAULT NULL, name text DEFAULT NULL, phone text DEFAULT NULL) RETURNS bigint
AS 'MODULE_PATHNAME', 'booking_ensure_user' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ensure_user(text, text, text) IS
'The id of the active user with that address (the case of A to Z does not matter), made if missing; an existing user''s name and phone stay as they are.
email NULL: of the active user without e-mail who has that phone, of which digits and plus signs count: 3 to 15 digits, a plus sign before them at most; spaces, hyphens, dots, slashes and parentheses may stand between them, and nothing else.
No text may have invisible characters: controls, zero-width characters (but for joiners in a name), those that turn the direction of writing, spaces other than U+0020 (in a name, U+3000).
With booking.shop_id set, the shop knows the customer from then on: a row in shop_customers.
Safe when called twice at once. Errors: 22004 email and phone NULL; 22023 not an address, not a phone number, an invisible character; P0002 no such shop; 42501 while booking.user_id is set, since it would tell who is known, or booking.shop_id by others than staff.';

-- ---------------------------------------------------------------------------
-- Statistics: what the functions did, from counters in shared memory
--
-- They count all databases of the server, since it started or since
-- stats_reset().  Not preloaded, a server before version 17 has none: then the
-- views raise 55000, and stats_info() says so without an error.
-- ---------------------------------------------------------------------------

CREATE FUNCTION stats_operations()
RETURNS TABLE (operation text, calls bigint, rows bigint, total_ms float8,
	p50_ms float8, p95_ms float8, p99_ms float8, max_ms float8)
AS 'MODULE_PATHNAME', 'booking_stats_operations' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 30;
COMMENT ON FUNCTION stats_operations() IS 'What view stats shows. Errors: 55000 without shared memory.';

CREATE FUNCTION stats_outcome_counts()
RETURNS TABLE (operation text, outcome text, calls bigint)
AS 'MODULE_PATHNAME', 'booking_stats_outcome_counts' LANGUAGE C VOLATILE PARALLEL SAFE ROWS 60;
COMMENT ON FUNCTION stats_outcome_counts() IS 'What view stats_outcomes shows. Errors: 55000 without shared memory.';

CREATE FUNCTION stats_cache_counts(OUT hits bigint, OUT misses bigint, OUT invalidations bigint, OUT evictions bigint)
AS 'MODULE_PATHNAME', 'booking_stats_cache_counts' LANGUAGE C VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION stats_cache_counts() IS 'What view stats_cache shows. Errors: 55000 without shared memory.';

CREATE VIEW stats AS
SELECT operation, calls, rows, total_ms, p50_ms, p95_ms, p99_ms, max_ms FROM booking.stats_operations();
COMMENT ON VIEW stats IS
'How often each function was called, how many rows the calls gave, and how long they took, in milliseconds: quantiles to 5 per cent, the longest exactly; NULL without a call.
guard_wait: waits for another transaction that has, or is giving up, the time, place or key asked for; guard_lock_wait: for the lock of a customer or barber, where places are counted and by moves. Both are part of the calls that waited. A call is counted when it ends, also by an error or in a transaction that is rolled back.';

CREATE VIEW stats_outcomes AS
SELECT operation, outcome, calls FROM booking.stats_outcome_counts();
COMMENT ON VIEW stats_outcomes IS
'How the calls ended: ok, the reason code of a "no" (with or without an error), or error for all other errors.';

CREATE VIEW stats_cache AS
SELECT hits, misses, invalidations, evictions FROM booking.stats_cache_counts();
COMMENT ON VIEW stats_cache IS
'How often a shop, barber or service was found in a backend''s compiled configuration, or had to be read; how often a backend dropped its own because the configuration had changed; and how many entries it dropped to stay within booking.cache_size.';

CREATE FUNCTION stats_info(OUT available boolean, OUT preloaded boolean, OUT stats_reset timestamptz, OUT detail text)
AS 'MODULE_PATHNAME', 'booking_stats_info' LANGUAGE C VOLATILE PARALLEL SAFE;
COMMENT ON FUNCTION stats_info() IS
'Whether the views have something to show, whether the server was started with booking in shared_preload_libraries, since when calls are counted, and a sentence about it. Never an error.';

CREATE FUNCTION stats_reset() RETURNS void
AS 'MODULE_PATHNAME', 'booking_stats_reset' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION stats_reset() IS
'Sets all counters to zero, for all databases. A call that ends at that moment may be counted in part. Errors: 55000 without shared memory.';

-- ---------------------------------------------------------------------------
-- Business figures: from the tables
-- ---------------------------------------------------------------------------

CREATE FUNCTION business_metrics(shop_id bigint, from_date date, to_date date DEFAULT NULL)
RETURNS TABLE (day date, attempts bigint, bookings bigint, holds bigint, holds_confirmed bigint,
	hold_to_confirm_median interval, cancellations bigint, cancelled_by_customer bigint, cancelled_by_shop bigint,
	no_shows bigint, completed bigint, booked_minutes bigint, open_minutes bigint, utilization numeric,
	revenue_cents bigint)
AS 'MODULE_PATHNAME', 'booking_business_metrics' LANGUAGE C STABLE PARALLEL SAFE ROWS 31
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION business_metrics(bigint, date, date) IS
'A shop''s figures, a row for every local date of the range (at most 366), of the appointments that begin on it; a service with steps is one.
attempts: all that left a row, which an attempt that was refused does not (stats_outcomes counts those). holds: those that began as a hold, the waitlist''s too; holds_confirmed of them, after hold_to_confirm_median since they were made.
bookings: attempts less holds that were never confirmed, and less what the shop did not answer within answer_within_minutes; cancellations are of bookings. cancelled_by_...: where the canceller is known.
booked_minutes: time in which barbers are, or were, booked, each minute once whatever a group''s size, without buffers and gaps between steps; open_minutes: hours less time off of the active barbers, as the configuration is now; utilization: their quotient, NULL when closed, above 1 when staff book outside hours. Both end at midnight.
revenue_cents: the prices of the completed; NULL beyond bigint, which takes prices that a lost CHECK let in. A staff view: revoked from PUBLIC. Errors: P0002 unknown shop; 22004 NULL shop_id or from_date; 22023 infinite, reversed or too long range.';

-- ---------------------------------------------------------------------------
-- Monitoring: verify()
--
-- Works through what must hold of the tables, also where triggers, constraints
-- or indexes that should see to it were off.  The rules are read from
-- schema_parts(), so that they are stated once.  The find_... functions have no
-- rights of their own: verify() calls them as the tables' owner.  None looks at
-- a row more often than a sort does.
-- ---------------------------------------------------------------------------

CREATE FUNCTION table_rules()
RETURNS TABLE (on_table text, kind text, definition text, condition text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
AS $$
WITH made AS (
	SELECT name, definition FROM booking.schema_parts() p WHERE p.kind = 'table'
)
-- Up to five pairs of parentheses within each other
SELECT name, 'check', concat_ws(': ', m[1], 'CHECK ' || regexp_replace(m[2], '\s+', ' ', 'g')), m[2]
FROM made, regexp_matches(definition, '(?:CONSTRAINT (\w+)\s+)?CHECK (\((?:[^()]|' ||
	'\((?:[^()]|\((?:[^()]|\((?:[^()]|\([^()]*\))*\))*\))*\))*\))', 'g') m
UNION ALL
SELECT name, 'not null', m[1], m[1] || ' IS NOT NULL'
FROM made, regexp_matches(definition, '^\t([a-z]\w*) [^\n]*NOT NULL', 'gn') m
UNION ALL
SELECT name, 'reference', m[1], m[2]
FROM made, regexp_matches(definition, '^\t(\w+) bigint[^\n]* REFERENCES booking\.(\w+)', 'gn') m
UNION ALL
SELECT name, 'primary key', coalesce(m[1], m[2]), 'true'
FROM made, regexp_matches(definition, '^\t(?:(\w+) [^\n]* PRIMARY KEY|PRIMARY KEY \(([^)]*)\))', 'n') m
UNION ALL
-- Rows with a NULL in such a key differ, unless the index says otherwise.
SELECT p.on_table, 'unique', m[1],
	concat_ws(' AND ', m[3], CASE WHEN m[2] IS NULL THEN format('num_nulls(%s) = 0', m[1]) END)
FROM booking.schema_parts() p, regexp_matches(p.definition,
	'UNIQUE INDEX \w+ ON booking\.\w+ \((.*?)\)(?:\s+(NULLS NOT DISTINCT))?(?:\s+WHERE (.*))?$') m
$$;
COMMENT ON FUNCTION table_rules() IS
'What schema_parts() states about rows: check (condition), not null (definition is the column), reference (a column, and the table whose id it holds), primary key and unique (columns, and the rows they are unique among).';

CREATE FUNCTION find_catalog_faults()
RETURNS TABLE (check_name text, table_name text, row_id bigint, detail text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
SET quote_all_identifiers = off
SET standard_conforming_strings = on
AS $$
WITH part AS MATERIALIZED (
	SELECT kind, name, definition, coalesce(on_table, name) AS on_table,
		to_regclass(format('booking.%I', coalesce(on_table, name))) AS rel
	FROM booking.schema_parts()
), rule AS MATERIALIZED (
	SELECT * FROM booking.table_rules()
), wanted_trigger AS (	-- when it fires, and how the server prints it
	SELECT on_table, rel, name,
		CASE WHEN definition ~ 'ENABLE REPLICA' THEN ARRAY['R', 'A'] ELSE ARRAY['O', 'A'] END::"char"[] AS fires,
		btrim(regexp_replace(replace(split_part(definition, ';', 1), ' OR REPLACE', ''), '\s+', ' ', 'g')) AS definition
	FROM part
	WHERE kind = 'trigger'
), foreign_key AS (
	SELECT r.on_table, r.definition AS on_column, r.condition AS to_table,
		(SELECT array_agg(to_jsonb(c)) FROM pg_constraint c JOIN pg_attribute a ON a.attrelid = c.conrelid AND ARRAY[a.attnum] = c.conkey
			WHERE c.contype = 'f' AND c.conrelid = to_regclass(format('booking.%I', r.on_table))
			AND c.confrelid = to_regclass(format('booking.%I', r.condition)) AND a.attname = r.definition) AS found
	FROM rule r
	WHERE r.kind = 'reference'
)
SELECT CASE WHEN i.indexrelid IS NULL THEN 'missing_index' ELSE 'invalid_index' END, w.on_table, NULL::bigint,
	w.name || CASE WHEN i.indexrelid IS NULL THEN ' does not exist' ELSE ' is invalid, or not as setup() makes it' END
FROM part w LEFT JOIN pg_index i ON i.indexrelid = to_regclass(format('booking.%I', w.name)),
	-- As the server prints it, but for parentheses, casts of constants, and how much space is left free: all else decides which rows are found, in which order.
	-- Constants and quoted names stay as they are.
	LATERAL (SELECT count(DISTINCT replace(replace(regexp_replace(d, '(''(?:[^'']|'''')*''|"[^"]*")(?:::\w+)?|\((\d+)\)::\w+|' ||
			'::text\[\]|\sWITH \([^)]*\)|\sUSING btree|[][()\s]', '\1\2', 'g'), '=ANYARRAY', 'IN'), 'COALESCE', 'coalesce'))
		FROM unnest(ARRAY[w.definition, pg_get_indexdef(i.indexrelid)]) d) forms
WHERE w.kind = 'index' AND (i.indisvalid AND i.indisready AND i.indrelid = w.rel AND forms.count = 1) IS NOT TRUE
UNION ALL
SELECT CASE WHEN t.oid IS NULL THEN 'missing_trigger' WHEN t.tgenabled = ANY (w.fires) THEN 'altered_trigger' ELSE 'disabled_trigger' END,
	w.on_table, NULL, w.name || CASE WHEN t.oid IS NULL THEN ' does not exist' WHEN t.tgenabled = ANY (w.fires)
		THEN ' is not as setup() makes it' ELSE ' does not fire' END
FROM wanted_trigger w LEFT JOIN pg_trigger t ON t.tgrelid = w.rel AND t.tgname = w.name
WHERE (t.tgenabled = ANY (w.fires) AND pg_get_triggerdef(t.oid) = w.definition) IS NOT TRUE
UNION ALL
SELECT DISTINCT 'disabled_trigger', p.on_table, NULL::bigint, c.conname || ', a foreign key, is not watched here'
FROM part p JOIN pg_trigger t ON t.tgrelid = p.rel JOIN pg_constraint c ON c.oid = t.tgconstraint
WHERE p.kind = 'table' AND t.tgisinternal AND t.tgenabled NOT IN ('O', 'A')
UNION ALL
-- What the functions write cannot be deferred (see src/owner.c).
SELECT DISTINCT 'deferred_trigger', p.on_table, NULL::bigint, coalesce(c.conname, t.tgname) || ' is deferred, which our functions refuse'
FROM part p JOIN pg_trigger t ON t.tgrelid = p.rel LEFT JOIN pg_constraint c ON c.oid = t.tgconstraint
WHERE p.kind = 'table' AND t.tginitdeferred AND t.tgenabled <> 'D'
UNION ALL
SELECT 'missing_constraint', on_table, NULL, format('%s has no foreign key to %s', on_column, to_table)
FROM foreign_key
WHERE NOT EXISTS (SELECT FROM unnest(found) c WHERE coalesce((c ->> 'conenforced')::boolean, true))
UNION ALL
SELECT 'missing_constraint', p.on_table, NULL, CASE WHEN c.oid IS NULL THEN 'there is no primary key'
	ELSE format('the primary key is not (%s), checked at once', r.definition) END
FROM part p JOIN rule r ON r.on_table = p.name AND r.kind = 'primary key'
LEFT JOIN pg_constraint c ON c.conrelid = p.rel AND c.contype = 'p'
WHERE p.kind = 'table'
AND (NOT c.condeferrable AND replace(pg_get_constraintdef(c.oid), '"', '') ~~ ('PRIMARY KEY (' || r.definition || ')%')) IS NOT TRUE
UNION ALL
SELECT 'missing_constraint', r.on_table, NULL, r.definition || ' may be NULL'
FROM rule r JOIN pg_attribute a
	ON a.attrelid = to_regclass(format('booking.%I', r.on_table)) AND a.attname = r.definition AND NOT a.attnotnull
WHERE r.kind = 'not null'
UNION ALL
SELECT 'missing_constraint', r.on_table, NULL, format('%s of %s CHECK constraints are there', f.count, r.count)
FROM (SELECT on_table, count(*) FROM rule WHERE kind = 'check' GROUP BY on_table) r,
	LATERAL (SELECT count(*) FROM pg_constraint c WHERE c.contype = 'c'
		AND c.conrelid = to_regclass(format('booking.%I', r.on_table))
		AND coalesce((to_jsonb(c) ->> 'conenforced')::boolean, true)) f
WHERE f.count < r.count
$$;
COMMENT ON FUNCTION find_catalog_faults() IS
'What verify() and health() say about indexes, triggers and constraints; of CHECK constraints it only knows how many there should be. Reads catalogs alone.';

CREATE FUNCTION has_policy(on_table text, name text) RETURNS boolean
AS 'MODULE_PATHNAME', 'booking_has_policy' LANGUAGE C STABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION has_policy(text, text) IS
'Whether a table has the policy of row_policies() just so, as the server prints it; false: another one of that name; NULL: none, no such table, or no such policy.
Locks the tables that the policy reads (ACCESS SHARE). Errors: those of the server about columns that a policy reads and that are not there.';

CREATE FUNCTION find_policy_faults()
RETURNS TABLE (check_name text, table_name text, row_id bigint, detail text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
WITH policy AS MATERIALIZED (
	SELECT on_table, name, to_regclass(format('booking.%I', on_table)) AS rel, booking.has_policy(on_table, name) AS is_as_made
	FROM booking.row_policies()
), secured AS MATERIALIZED (
	SELECT DISTINCT p.on_table, c.oid, c.relrowsecurity
	FROM policy p JOIN pg_class c ON c.oid = p.rel
)
SELECT CASE WHEN is_as_made IS NULL THEN 'missing_policy' ELSE 'altered_policy' END, on_table, NULL::bigint,
	format('policy %s %s', name, CASE WHEN is_as_made IS NULL THEN 'does not exist' ELSE 'is not as enable_row_security() makes it' END)
FROM policy WHERE is_as_made IS NOT TRUE AND rel IS NOT NULL
AND (EXISTS (SELECT FROM policy WHERE is_as_made IS NOT NULL)
	-- or row security is on for all of them, and lets nothing through
	OR (SELECT bool_and(relrowsecurity AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = s.oid)) FROM secured s))
UNION ALL
SELECT 'disabled_row_security', on_table, NULL, CASE WHEN EXISTS (SELECT FROM policy WHERE is_as_made IS NOT NULL)
	THEN 'row security is off, but there are policies' ELSE 'row security is off, but on for the others, without policies' END
FROM secured
WHERE NOT relrowsecurity
AND (EXISTS (SELECT FROM policy WHERE is_as_made IS NOT NULL)
	-- or it was on for all: with none left, it is still on for more than it is off for
	OR (SELECT count(*) FILTER (WHERE s.relrowsecurity AND NOT EXISTS (SELECT FROM pg_policy WHERE polrelid = s.oid))
		> count(*) FILTER (WHERE NOT s.relrowsecurity) FROM secured s))
$$;
COMMENT ON FUNCTION find_policy_faults() IS
'What verify() and health() say about row security: with one policy of enable_row_security() there, all of them have to be as it makes them, and on; with none, it is not still on for most of them and off for the rest. Mended by enable_row_security(), or disable_row_security().';

CREATE FUNCTION list_own_access() RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
WITH secured AS MATERIALIZED (
	SELECT DISTINCT c.oid, c.relname, c.relowner
	FROM booking.row_policies() p JOIN pg_class c ON c.oid = to_regclass(format('booking.%I', p.on_table))
	WHERE c.relrowsecurity
)
SELECT concat_ws(' ',
	(SELECT 'Policies of your own: ' || string_agg(format('%I on %s', polname, relname), ', ' ORDER BY relname, polname) || '.'
	FROM secured s JOIN pg_policy ON polrelid = s.oid
	WHERE polpermissive AND NOT EXISTS (SELECT FROM booking.row_policies() p WHERE p.on_table = relname AND p.name = polname)),
	(SELECT 'Views granted to others that read past it: ' || string_agg(DISTINCT v.oid::regclass::text, ', ') || '.'
	FROM secured s JOIN pg_depend d ON d.refclassid = 'pg_class'::regclass AND d.refobjid = s.oid AND d.classid = 'pg_rewrite'::regclass
	JOIN pg_rewrite w ON w.oid = d.objid JOIN pg_class v ON v.oid = w.ev_class AND v.relkind IN ('v', 'm')
	JOIN pg_roles r ON r.oid = v.relowner AND (r.rolsuper OR r.rolbypassrls OR r.oid = s.relowner)
	WHERE EXISTS (SELECT FROM aclexplode(v.relacl) a WHERE a.grantee <> v.relowner)
	AND NOT EXISTS (SELECT FROM pg_options_to_table(v.reloptions) o
		WHERE v.relkind = 'v' AND o.option_name = 'security_invoker' AND o.option_value::boolean)))
$$;
COMMENT ON FUNCTION list_own_access() IS
'What lets others past the policies of enable_row_security() by the owner''s choice, for health(): permissive policies of one''s own, and views over the tables that are granted and do not run as their caller. Empty: nothing.';

CREATE FUNCTION find_called_code()
RETURNS TABLE (table_name text, owner regrole, part text, kind text, name text, made_by regrole)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
WITH RECURSIVE ours AS MATERIALIZED (
	SELECT c.oid, p.name, c.relowner
	FROM booking.schema_parts() p JOIN pg_class c ON c.oid = to_regclass(format('booking.%I', p.name))
	WHERE p.kind = 'table'
), member AS MATERIALIZED (
	SELECT d.classid, d.objid
	FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
	WHERE d.deptype = 'e' AND e.extname = 'booking'
), root (rel, part, classid, objid) AS (
	SELECT tgrelid, 'trigger ' || tgname, 'pg_trigger'::regclass::oid, oid FROM pg_trigger WHERE NOT tgisinternal
	UNION ALL
	SELECT ev_class, 'rule ' || rulename, 'pg_rewrite'::regclass, oid FROM pg_rewrite
	UNION ALL
	SELECT polrelid, 'policy ' || polname, 'pg_policy'::regclass, oid FROM pg_policy
	UNION ALL
	SELECT conrelid, 'constraint ' || conname, 'pg_constraint'::regclass, oid FROM pg_constraint
	UNION ALL
	SELECT adrelid, 'default of ' || attname, 'pg_attrdef'::regclass, d.oid
	FROM pg_attrdef d JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum
	UNION ALL
	SELECT indrelid, 'index ' || indexrelid::regclass, 'pg_class'::regclass, indexrelid FROM pg_index
	UNION ALL
	SELECT stxrelid, 'statistics ' || stxname, 'pg_statistic_ext'::regclass, oid FROM pg_statistic_ext
	UNION ALL
	SELECT inhrelid, 'inheritance', 'pg_class'::regclass, inhparent FROM pg_inherits
	UNION ALL
	SELECT attrelid, 'column ' || attname, 'pg_type'::regclass, atttypid FROM pg_attribute
	WHERE attnum > 0 AND NOT attisdropped AND atttypid >= 16384
), reached AS (
	SELECT r.rel, r.part, r.classid, r.objid FROM root r WHERE r.rel IN (SELECT oid FROM ours)
	UNION
	SELECT r.rel, r.part, e.classid, e.objid
	FROM reached r CROSS JOIN LATERAL (
		SELECT d.refclassid, d.refobjid FROM pg_depend d
		WHERE d.classid = r.classid AND d.objid = r.objid AND d.refobjid <> r.rel AND d.refclassid IN
			('pg_proc'::regclass, 'pg_operator'::regclass, 'pg_type'::regclass, 'pg_class'::regclass)
		UNION ALL
		-- the CHECKs of a domain
		SELECT 'pg_constraint'::regclass, c.oid FROM pg_constraint c
		WHERE r.classid = 'pg_type'::regclass AND c.contypid = r.objid
		UNION ALL
		-- what a row is made of
		SELECT 'pg_type'::regclass, a.atttypid FROM pg_type t JOIN pg_attribute a ON a.attrelid = t.typrelid
		WHERE r.classid = 'pg_type'::regclass AND t.oid = r.objid AND a.attnum > 0 AND NOT a.attisdropped
		UNION ALL
		-- the query of a view
		SELECT 'pg_rewrite'::regclass, w.oid FROM pg_rewrite w JOIN pg_class v ON v.oid = w.ev_class
		WHERE r.classid = 'pg_class'::regclass AND w.ev_class = r.objid AND v.relkind IN ('v', 'm')
	) e (classid, objid)
	WHERE e.objid >= 16384 AND (e.classid, e.objid) NOT IN (SELECT classid, objid FROM member)
	AND (e.classid <> 'pg_class'::regclass OR e.objid NOT IN (SELECT oid FROM ours))
)
SELECT ours.name, ours.relowner, r.part, o.kind, o.name, o.owner
FROM reached r JOIN ours ON ours.oid = r.rel CROSS JOIN LATERAL (
	SELECT 'function', p.oid::regprocedure::text, p.proowner FROM pg_proc p
	WHERE r.classid = 'pg_proc'::regclass AND p.oid = r.objid
	UNION ALL
	SELECT 'type', t.oid::regtype::text, t.typowner FROM pg_type t
	WHERE r.classid = 'pg_type'::regclass AND t.oid = r.objid AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
	UNION ALL
	SELECT 'relation', c.oid::regclass::text, c.relowner FROM pg_class c
	WHERE r.classid = 'pg_class'::regclass AND c.oid = r.objid AND c.relkind <> 'i'
) o (kind, name, owner)
$$;
COMMENT ON FUNCTION find_called_code() IS
'Functions, types and relations that the tables'' triggers, rules, policies, constraints, defaults, indexes, statistics objects, parents and columns use, and whose they are; neither the server''s nor the extension''s, nor these tables. Follows operators, domains, arrays, rows and views. Not what a function''s body calls, but for one of SQL that is kept parsed.';

CREATE FUNCTION find_table_code()
RETURNS TABLE (table_name text, owner regrole, code text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
WITH ours AS MATERIALIZED (
	SELECT c.oid, p.name, c.relowner
	FROM booking.schema_parts() p JOIN pg_class c ON c.oid = to_regclass(format('booking.%I', p.name))
	WHERE p.kind = 'table'
), member AS (
	SELECT d.objid FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
	WHERE d.classid = 'pg_proc'::regclass AND d.deptype = 'e' AND e.extname = 'booking'
), code AS (
	SELECT tgrelid AS rel, 'trigger ' || tgname AS name FROM pg_trigger
	WHERE NOT tgisinternal AND tgfoid NOT IN (SELECT objid FROM member)
	UNION ALL
	SELECT ev_class, 'rule ' || rulename FROM pg_rewrite
	UNION ALL
	SELECT polrelid, 'policy ' || polname FROM pg_policy
	WHERE NOT EXISTS (SELECT FROM booking.row_policies() p WHERE p.name = polname
		AND to_regclass(format('booking.%I', p.on_table)) = polrelid AND booking.has_policy(p.on_table, p.name))
)
SELECT ours.name, ours.relowner, code.name FROM ours JOIN code ON code.rel = ours.oid
UNION ALL
SELECT c.table_name, c.owner, c.part || string_agg(' with function ' || c.name, ',' ORDER BY c.name)
FROM booking.find_called_code() c
WHERE c.kind = 'function' AND c.part !~ '^(trigger|rule|policy) '
-- A type of another extension has functions.
AND NOT (c.part ~ '^column ' AND EXISTS (SELECT FROM pg_depend WHERE classid = 'pg_proc'::regclass
	AND objid = c.name::regprocedure AND deptype = 'e'))
GROUP BY c.table_name, c.owner, c.part
$$;
COMMENT ON FUNCTION find_table_code() IS
'Triggers, rules and policies on the tables that are not the extension''s, and constraints, defaults, indexes, statistics objects and columns'' types that call functions of others. They are the business of the tables'' owner.';

CREATE FUNCTION find_schema_faults()
RETURNS TABLE (check_name text, table_name text, row_id bigint, detail text)
LANGUAGE sql STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
WITH home AS MATERIALIZED (
	SELECT n.oid, n.nspowner, n.nspacl, e.oid AS extension, e.extowner,
		(SELECT relowner FROM pg_class WHERE oid = to_regclass('booking.appointments')) AS tables_owner
	FROM pg_namespace n, pg_extension e
	WHERE n.nspname = 'booking' AND e.extname = 'booking'
), stranger AS MATERIALIZED (	-- neither a superuser nor the one who made the extension
	SELECT 0::oid AS oid, 'PUBLIC' AS name
	UNION ALL
	SELECT r.oid, r.oid::regrole::text FROM pg_roles r, home WHERE NOT r.rolsuper AND r.oid <> extowner
), member AS MATERIALIZED (
	SELECT d.classid, d.objid FROM pg_depend d, home
	WHERE d.refclassid = 'pg_extension'::regclass AND d.refobjid = home.extension AND d.deptype = 'e'
), part AS MATERIALIZED (
	SELECT c.oid, p.name, c.relowner, c.relacl
	FROM booking.schema_parts() p JOIN pg_class c ON c.oid = to_regclass(format('booking.%I', p.name))
	WHERE p.kind = 'table'
), made AS (	-- functions
	SELECT p.oid, p.proname, p.proowner, m.objid IS NOT NULL AS is_member
	FROM home JOIN pg_proc p ON p.pronamespace = home.oid
	LEFT JOIN member m ON m.classid = 'pg_proc'::regclass AND m.objid = p.oid
	-- A range type's own are the type's.
	WHERE NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i')
)
-- The tables' owner may need CREATE for indexes: what he puts here is named below.
SELECT 'foreign_privilege', NULL::text, NULL::bigint, format('role %s may create objects in it; REVOKE CREATE ON SCHEMA booking FROM %1$s', s.name)
FROM home, aclexplode(nspacl) a JOIN stranger s ON s.oid = a.grantee
WHERE a.privilege_type = 'CREATE' AND a.grantee IS DISTINCT FROM tables_owner AND a.grantee <> nspowner
UNION ALL
SELECT 'foreign_owner', NULL, NULL, format('role %s owns it; ALTER SCHEMA booking OWNER TO %s', s.name, extowner::regrole)
FROM home JOIN stranger s ON s.oid = nspowner
UNION ALL
SELECT 'overloaded_function', NULL, NULL, format('function %s of role %s has the name of one of the extension''s; drop it, or move it to another schema',
	oid::regprocedure, proowner::regrole)
FROM made WHERE NOT is_member AND proname IN (SELECT proname FROM made WHERE is_member)
UNION ALL
SELECT 'foreign_object', NULL, NULL, format('%s of role %s is no part of the extension; move it to another schema', o.name, o.owner::regrole)
FROM (
	SELECT 'function ' || oid::regprocedure, proowner
	FROM made WHERE NOT is_member AND proname NOT IN (SELECT proname FROM made WHERE is_member)
	UNION ALL
	SELECT 'operator ' || o.oid::regoperator, oprowner
	FROM pg_operator o JOIN home ON oprnamespace = home.oid
	WHERE o.oid NOT IN (SELECT objid FROM member WHERE classid = 'pg_operator'::regclass)
	UNION ALL
	SELECT 'type ' || t.oid::regtype, typowner
	FROM pg_type t JOIN home ON typnamespace = home.oid LEFT JOIN pg_class c ON c.oid = t.typrelid
	WHERE (c.oid IS NULL OR c.relkind = 'c') AND t.typtype <> 'm' AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
	AND t.oid NOT IN (SELECT objid FROM member WHERE classid = 'pg_type'::regclass)
	UNION ALL
	-- A view or table of the tables' owner, or of who made the extension, is their business.
	SELECT 'relation ' || c.oid::regclass, c.relowner
	FROM pg_class c JOIN home ON c.relnamespace = home.oid JOIN stranger s ON s.oid = c.relowner
	WHERE c.relkind IN ('r', 'v', 'm', 'f', 'p') AND c.relowner IS DISTINCT FROM home.tables_owner
	AND c.oid NOT IN (SELECT oid FROM part)
	AND c.oid NOT IN (SELECT objid FROM member WHERE classid = 'pg_class'::regclass)
) o (name, owner)
UNION ALL
SELECT 'foreign_owner', NULL, NULL, format('%s belongs to role %s; ALTER %1$s OWNER TO %3$s', o.name, s.name, extowner::regrole)
FROM home, (
	SELECT 'FUNCTION ' || oid::regprocedure, proowner FROM made WHERE is_member
	UNION ALL
	SELECT 'VIEW ' || oid::regclass, relowner FROM pg_class JOIN member ON classid = 'pg_class'::regclass AND objid = oid
	UNION ALL
	-- Array and row types are no members before 17, and go along with what they are of.
	SELECT 'TYPE ' || t.oid::regtype, t.typowner
	FROM pg_type t JOIN member m ON m.classid = 'pg_type'::regclass AND m.objid = t.oid LEFT JOIN pg_class c ON c.oid = t.typrelid
	WHERE (c.oid IS NULL OR c.relkind = 'c') AND NOT EXISTS (SELECT FROM pg_type e WHERE e.typarray = t.oid)
) o (name, owner) JOIN stranger s ON s.oid = o.owner
UNION ALL
SELECT 'foreign_owner', p.name, NULL, format('it belongs to role %s, appointments to role %s; ALTER TABLE ... OWNER TO the one that shall own both', relowner::regrole, tables_owner::regrole)
FROM home, part p WHERE relowner <> tables_owner
UNION ALL
SELECT 'foreign_code', c.table_name, NULL, format('%s is of role %s, to whom the other tables do not belong', c.code, c.owner)
FROM home, booking.find_table_code() c WHERE c.owner <> tables_owner
UNION ALL
-- It runs as whoever writes or reads the table, and so as its owner when a function of ours does.
SELECT DISTINCT 'foreign_code', c.table_name, NULL::bigint, format('%s uses %s %s of role %s', c.part, c.kind, c.name, s.name)
FROM booking.find_called_code() c JOIN stranger s ON s.oid = c.made_by
WHERE c.made_by <> c.owner
UNION ALL
-- SELECT, INSERT, UPDATE and DELETE of a role are what its owner and grant_role() give out.
SELECT 'foreign_privilege', p.name, NULL, format('role %s has %s on it; REVOKE %2$s ON booking.%I FROM %1$s', s.name,
	string_agg(DISTINCT a.privilege_type, ', '), p.name)
FROM part p CROSS JOIN LATERAL (
	SELECT privilege_type, grantee FROM aclexplode(p.relacl)
	UNION ALL
	SELECT x.privilege_type, x.grantee FROM pg_attribute, aclexplode(attacl) x WHERE attrelid = p.oid AND NOT attisdropped
) a JOIN stranger s ON s.oid = a.grantee
WHERE (a.grantee = 0 OR a.privilege_type NOT IN ('SELECT', 'INSERT', 'UPDATE', 'DELETE')) AND a.grantee <> p.relowner
GROUP BY p.name, s.name
$$;
COMMENT ON FUNCTION find_schema_faults() IS
'What verify() and health() say about who could change what the functions run, or has changed it: CREATE on the schema for others than its owner, superusers and the tables'' owner; any privilege on a table for PUBLIC, and TRIGGER, REFERENCES, TRUNCATE and the like for others; functions, operators and types in the schema that are no members, and others'' relations; functions and tables of other owners, and the code on those; functions, types and relations of others that the tables use (find_called_code).
Reads catalogs alone; names roles and objects, and what mends it.';

CREATE FUNCTION find_overlaps(at timestamptz, barber_ids bigint[], since timestamptz, until timestamptz)
RETURNS TABLE (check_name text, table_name text, row_id bigint, detail text)
LANGUAGE plpgsql STABLE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $find_overlaps$
BEGIN
	RETURN QUERY EXECUTE $$
		WITH live AS MATERIALIZED (
			SELECT id, barber_id, service_id, busy_from, busy_until, row_number() OVER (
				PARTITION BY barber_id, busy_from, busy_until, service_id, starts_at ORDER BY id) AS seat
			FROM booking.appointments
			WHERE status IN ('pending', 'confirmed', 'checked_in')
			AND (status <> 'pending' OR hold_expires_at IS NULL OR hold_expires_at > $1)
			AND busy_from < busy_until AND busy_until > $3 AND busy_from < $4 $$ ||
			CASE WHEN barber_ids IS NULL THEN '' ELSE 'AND barber_id = ANY ($2)' END || $$
		), seated AS (
			SELECT *, max(busy_until) OVER (PARTITION BY barber_id ORDER BY busy_from, id
				ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken_until
			FROM live WHERE seat = 1
		)
		SELECT 'overlap', 'appointments', id, format('Barber %s is busy from %s, but still taken until %s.',
			barber_id, busy_from, taken_until)
		FROM seated WHERE busy_from < taken_until
		UNION ALL
		SELECT 'over_capacity', 'appointments', l.id, format('Seat %s of service %s, which has %s.',
			seat, service_id, coalesce(s.capacity, 1))
		FROM live l LEFT JOIN booking.services s ON s.id = l.service_id
		WHERE seat > coalesce(s.capacity, 1)
	$$ USING at, barber_ids, since, until;
END
$find_overlaps$;
COMMENT ON FUNCTION find_overlaps(timestamptz, bigint[], timestamptz, timestamptz) IS
'Live appointments, as of "at", that begin before an earlier one of their barber is over, or have no seat in their group; of those that are busy within [since, until). barber_ids NULL: of everybody.';

CREATE FUNCTION find_rule_faults(deep boolean, at timestamptz)
RETURNS TABLE (check_name text, table_name text, row_id bigint, detail text)
LANGUAGE plpgsql STABLE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $find_rule_faults$
DECLARE
	part record;
BEGIN
	FOR part IN
		SELECT t.on_table,
			format('booking.%I t WHERE %s', t.on_table, CASE
				WHEN NOT deep AND t.on_table = 'appointments' THEN format('coalesce(t.busy_until > %L, true)', at)
				WHEN NOT deep AND t.on_table = 'appointment_history' THEN 'false'
				ELSE 'true' END) AS rows,
			CASE t.key WHEN 'id' THEN 't.id' ELSE 'NULL::bigint' END AS id,
			CASE t.key WHEN 'id' THEN '''''' ELSE format('format('' in %%s'', ROW(%s))', t.key) END AS place,
			t.conditions, t.rules, t.keys, t.refs
		FROM (
			SELECT r.on_table, max(r.definition) FILTER (WHERE r.kind = 'primary key') AS key,
				string_agg(format('(%s)', r.condition), ' AND ') FILTER (WHERE r.kind IN ('check', 'not null')) AS conditions,
				string_agg(format('(%L, (%s))', r.definition, r.condition), ', ') FILTER (WHERE r.kind IN ('check', 'not null')) AS rules,
				array_agg(ARRAY[r.definition, r.condition]) FILTER (WHERE r.kind IN ('primary key', 'unique')) AS keys,
				array_agg(ARRAY[r.definition, r.condition]) FILTER (WHERE r.kind = 'reference') AS refs
			FROM booking.table_rules() r GROUP BY r.on_table
		) t
		ORDER BY t.on_table
	LOOP
		RETURN QUERY EXECUTE format($$
			SELECT 'broken_rule', %L, %s, r.rule || %s
			FROM (SELECT t.* FROM %s AND (%s) IS FALSE) t
			CROSS JOIN LATERAL (VALUES %s) r (rule, holds)
			WHERE NOT r.holds $$, part.on_table, part.id, part.place, part.rows, part.conditions, part.rules);

		FOR i IN 1 .. cardinality(part.keys) / 2 LOOP
			RETURN QUERY EXECUTE format($$
				SELECT 'duplicate_key', %L, %s, format('%%s rows have the same (%%s).', count(*), %L)
				FROM %s AND (%s) GROUP BY %s HAVING count(*) > 1 $$,
				part.on_table, CASE part.id WHEN 't.id' THEN 'min(t.id)' ELSE part.id END, part.keys[i][1],
				part.rows, part.keys[i][2], part.keys[i][1]);
		END LOOP;

		FOR i IN 1 .. coalesce(cardinality(part.refs) / 2, 0) LOOP
			RETURN QUERY EXECUTE format($$
				SELECT 'orphan', %L, %s, format('%%s %%s is not in %%s', %L, t.%I, %L) || %s
				FROM %s AND t.%4$I IS NOT NULL
				AND NOT EXISTS (SELECT FROM booking.%5$I r WHERE r.id = t.%4$I) $$,
				part.on_table, part.id, part.refs[i][1], part.refs[i][1], part.refs[i][2], part.place, part.rows);
		END LOOP;
	END LOOP;
END
$find_rule_faults$;
COMMENT ON FUNCTION find_rule_faults(boolean, timestamptz) IS
'Rows that break a rule of table_rules(). Not deep: of the appointments, those not yet over; none of the history.';

CREATE FUNCTION find_life_faults(deep boolean, at timestamptz)
RETURNS TABLE (check_name text, table_name text, row_id bigint, detail text)
LANGUAGE sql STABLE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
SELECT 'part_differs', 'appointments', p.id, format('Of appointment %s, but %s.', h.id, concat_ws(', ',
	CASE WHEN p.status <> h.status THEN format('%s while that is %s', p.status, h.status) END,
	CASE WHEN p.visit_id IS DISTINCT FROM h.visit_id THEN 'in another visit' END,
	CASE WHEN p.user_id IS DISTINCT FROM h.user_id THEN 'of another customer' END,
	CASE WHEN h.part_of IS NOT NULL THEN 'that is a part itself' END))
FROM booking.appointments p JOIN booking.appointments h ON h.id = p.part_of AND h.id <> p.id
WHERE (deep OR p.busy_until > at) AND p.status IN ('pending', 'confirmed', 'checked_in')
AND (p.status <> h.status OR p.visit_id IS DISTINCT FROM h.visit_id OR p.user_id IS DISTINCT FROM h.user_id
	OR h.part_of IS NOT NULL)
UNION ALL
SELECT 'wrong_customer', 'waitlist', w.id, format('User %s waited, appointment %s is %s.', w.user_id, a.id,
	coalesce('of user ' || a.user_id, 'a walk-in''s'))
FROM booking.waitlist w JOIN booking.appointments a ON a.id = w.appointment_id
WHERE (deep OR a.busy_until > at) AND a.user_id IS DISTINCT FROM w.user_id
UNION ALL
SELECT 'two_offers', 'waitlist', max(w.id), format('User %s has %s open offers.', w.user_id, count(*))
FROM booking.waitlist w JOIN booking.appointments a ON a.id = w.appointment_id
WHERE w.status = 'served' AND a.status = 'pending' AND a.hold_expires_at > at AND coalesce(w.offer_ends_at > at, true)
AND NOT a.is_request
GROUP BY w.user_id HAVING count(*) > 1
UNION ALL
-- What came before a deletion is another life's: its versions begin anew.
SELECT 'history_version', 'appointment_history', id, format('Version %s of appointment %s, %s.', version, appointment_id,
	CASE WHEN version > last_version THEN 'which has ' || last_version ELSE 'after version ' || version_before END)
FROM (
	SELECT h.id, h.appointment_id, h.version, a.version AS last_version,
		lag(h.version) OVER (PARTITION BY h.appointment_id ORDER BY h.id) AS version_before,
		lag(h.to_values IS NULL) OVER (PARTITION BY h.appointment_id ORDER BY h.id) AS begins_anew,
		-- with another shop or customer: the departure has the same version
		h.from_values = '{}' AND lag(h.to_values = '{}') OVER (PARTITION BY h.appointment_id ORDER BY h.id) AS is_arrival,
		bool_or(h.to_values IS NULL) OVER (PARTITION BY h.appointment_id ORDER BY h.id DESC) AS is_past_life
	FROM booking.appointment_history h JOIN booking.appointments a ON a.id = h.appointment_id
	WHERE deep OR a.busy_until > at
) h
WHERE NOT is_past_life AND (version > last_version OR version <= version_before AND NOT begins_anew
	AND NOT (version = version_before AND is_arrival))
UNION ALL
SELECT 'steps_and_capacity', 'services', s.id, format('It has steps, and a capacity of %s.', s.capacity)
FROM booking.services s
WHERE s.capacity > 1 AND EXISTS (SELECT FROM booking.service_steps t WHERE t.service_id = s.id)
UNION ALL
SELECT 'unknown_time_zone', 'shops', s.id, format('The server does not know %s.', s.time_zone)
FROM booking.shops s
WHERE lower(s.time_zone) NOT IN (SELECT lower(z.name) FROM pg_timezone_names z)
$$;
COMMENT ON FUNCTION find_life_faults(boolean, timestamptz) IS
'Rows that do not fit to each other: parts and heads, waitlist and appointments, history and versions, services and steps.';

CREATE FUNCTION find_limit_faults(deep boolean, at timestamptz)
RETURNS TABLE (check_name text, table_name text, row_id bigint, detail text)
LANGUAGE sql STABLE ROWS 10
SET search_path = pg_catalog, pg_temp
SET enable_nestloop = off	-- never each row with each, whatever the statistics say
AS $$
-- party: rows that may overlap each other, if they are of different guests.  bucket: two days, which no row is longer than.
WITH live AS NOT MATERIALIZED (
	SELECT *, coalesce(nullif(visit_id, 0), -coalesce(part_of, id)) AS party,
		floor(date_part('epoch', starts_at) / 172800) AS bucket
	FROM booking.appointments
	WHERE status IN ('pending', 'confirmed', 'checked_in')
	AND (status <> 'pending' OR hold_expires_at IS NULL OR hold_expires_at > at)
	AND (deep OR ends_at > at) AND starts_at < ends_at
	AND (overrides @> ARRAY['limits']) IS NOT TRUE
), place AS NOT MATERIALIZED (
	SELECT b.id AS barber_id, b.max_per_day, s.id AS shop_id, s.max_active_per_user, s.max_pending_per_user, s.prevent_user_overlap, s.time_zone
	FROM booking.barbers b JOIN booking.shops s ON s.id = b.shop_id
), busy_day AS MATERIALIZED (	-- zone: what AT TIME ZONE does not take for an abbreviation, without summer time
	SELECT barber_id, max_per_day, CASE lower(time_zone)
		WHEN 'wet' THEN 'Europe/Lisbon' WHEN 'cet' THEN 'Europe/Brussels' WHEN 'met' THEN 'Europe/Brussels'
		WHEN 'eet' THEN 'Europe/Athens' ELSE time_zone END AS zone
	FROM place
	WHERE max_per_day > 0 AND (lower(time_zone) IN (SELECT lower(z.name) FROM pg_timezone_names z)) IS TRUE
), prevented AS MATERIALIZED (
	SELECT l.id, l.user_id, l.party, l.guest_name, coalesce(l.part_of, l.id) AS head, l.starts_at, l.ends_at, l.created_at, l.bucket
	FROM live l JOIN place USING (barber_id)
	WHERE prevent_user_overlap AND l.user_id IS NOT NULL
), crowded AS (	-- customers with two rows at a time, be it of one party: few
	SELECT user_id
	FROM (SELECT user_id, starts_at < max(ends_at) OVER (PARTITION BY user_id ORDER BY starts_at, id
		ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS is_early FROM prevented) p
	WHERE is_early
), begun AS (
	SELECT *, coalesce(starts_at >= max(ends_at) OVER (PARTITION BY user_id, party ORDER BY starts_at, id
		ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), true) AS begins
	FROM prevented WHERE user_id IN (SELECT user_id FROM crowded)
), numbered AS (
	SELECT *, count(*) FILTER (WHERE begins) OVER (PARTITION BY user_id, party ORDER BY starts_at, id) AS stay
	FROM begun
), stay AS (	-- rows of one party without a gap between them
	SELECT min(id) FILTER (WHERE begins) AS id, user_id, min(starts_at) AS starts_at, max(ends_at) AS ends_at
	FROM numbered GROUP BY user_id, party, stay
), clash AS (
	SELECT id, user_id, starts_at, max(ends_at) OVER (PARTITION BY user_id ORDER BY starts_at, id
		ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken_until
	FROM stay
	UNION ALL
	-- Another shop may allow it: then the other one must have been there first.
	SELECT p.id, p.user_id, p.starts_at, l.ends_at
	FROM (SELECT *, unnest(ARRAY[bucket - 1, bucket, bucket + 1]) AS near FROM prevented) p
	JOIN (live l JOIN place USING (barber_id)) ON l.user_id = p.user_id AND l.bucket = p.near
	WHERE prevent_user_overlap IS NOT TRUE AND l.starts_at < p.ends_at AND l.ends_at > p.starts_at
	AND l.party <> p.party AND l.id < p.id AND l.updated_at <= p.created_at
	UNION ALL
	-- Within a visit one guest, or the customer, is at one place.  own_until: so long its own parts take, of which others may use the gaps.
	SELECT id, user_id, starts_at, taken_until
	FROM (
		SELECT *, max(ends_at) OVER (PARTITION BY user_id, party, guest_name ORDER BY starts_at, id
				ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS taken_until,
			max(ends_at) OVER (PARTITION BY user_id, party, guest_name, head ORDER BY starts_at, id
				ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS own_until
		FROM begun
	) b
	WHERE own_until IS DISTINCT FROM taken_until
)
SELECT 'over_active_limit', 'appointments', id, format('Active appointment %s of user %s at shop %s, which allows %s.',
	n, user_id, shop_id, max_active_per_user)
FROM (
	SELECT l.id, l.user_id, shop_id, max_active_per_user,
		row_number() OVER (PARTITION BY shop_id, l.user_id ORDER BY l.id) AS n
	FROM live l JOIN place USING (barber_id)
	WHERE max_active_per_user > 0 AND l.ends_at > at AND l.part_of IS NULL AND l.user_id IS NOT NULL
) a
WHERE n > max_active_per_user
UNION ALL
SELECT 'over_pending_limit', 'appointments', id, format('Pending appointment %s of user %s at shop %s, which allows %s.',
	n, user_id, shop_id, max_pending_per_user)
FROM (
	SELECT l.id, l.user_id, shop_id, max_pending_per_user,
		row_number() OVER (PARTITION BY shop_id, l.user_id ORDER BY l.id) AS n
	FROM live l JOIN place USING (barber_id)
	WHERE max_pending_per_user > 0 AND l.status = 'pending' AND l.ends_at > at AND l.part_of IS NULL AND l.user_id IS NOT NULL
) a
WHERE n > max_pending_per_user
UNION ALL
SELECT 'over_day_limit', 'appointments', id, format('Appointment %s on %s of barber %s, who takes %s a day.',
	n, day, barber_id, max_per_day)
FROM (
	SELECT *, row_number() OVER (PARTITION BY barber_id, day ORDER BY id) AS n
	FROM (
		SELECT a.id, d.barber_id, d.max_per_day, (a.starts_at AT TIME ZONE d.zone)::date AS day,
			(at AT TIME ZONE d.zone)::date AS today
		FROM booking.appointments a JOIN busy_day d USING (barber_id)
		WHERE a.part_of IS NULL AND status IN ('pending', 'confirmed', 'checked_in', 'completed')
		AND (status <> 'pending' OR hold_expires_at IS NULL OR hold_expires_at > at)
		AND (overrides @> ARRAY['limits']) IS NOT TRUE
		AND (deep OR a.starts_at > at - interval '2 days')
		-- A local time that is none is no day.
		AND a.starts_at BETWEEN '4713-01-01 00:00Z BC' AND '294276-12-30 00:00Z'
	) a
	WHERE deep OR day >= today
) a
WHERE n > max_per_day
UNION ALL
SELECT 'user_overlap', 'appointments', id, format('User %s is booked from %s, but has another appointment until %s.',
	user_id, min(starts_at), max(taken_until))
FROM clash
WHERE starts_at < taken_until
GROUP BY id, user_id
$$;
COMMENT ON FUNCTION find_limit_faults(boolean, timestamptz) IS
'Appointments, as of "at", beyond max_active_per_user or max_pending_per_user, beyond max_per_day, or at a time at which the customer has another one though the shop prevents that. Those that staff booked with an override of limits do not count.
Not deep: of appointments that are not over, and of days that are not.';

CREATE FUNCTION find_index_faults()
RETURNS TABLE (check_name text, table_name text, row_id bigint, detail text)
LANGUAGE plpgsql STABLE ROWS 10
SET search_path = pg_catalog, pg_temp
SET enable_seqscan = on
SET enable_indexscan = on
SET enable_indexonlyscan = on
SET enable_bitmapscan = off
SET enable_sort = on
SET enable_incremental_sort = off
AS $find_index_faults$
DECLARE
	what_it_has text := $$
		SELECT jsonb_object_agg(barber_id, fingerprint) FROM (
			SELECT barber_id, format('%%s/%%s', count(*), sum(hash_record_extended(
				ROW(busy_from, busy_until, hold_expires_at), 0))) AS fingerprint
			FROM (SELECT barber_id, busy_from, busy_until, hold_expires_at
				FROM booking.appointments
				WHERE status IN ('pending', 'confirmed', 'checked_in') AND barber_id IS NOT NULL %s) a
			GROUP BY barber_id) b $$;
	in_index jsonb;
	in_table jsonb;
BEGIN
	-- Where nothing may be sorted, only this index has the rows in this order: a cheaper one is not read instead.
	PERFORM set_config('enable_seqscan', 'off', true);
	PERFORM set_config('enable_sort', 'off', true);
	EXECUTE format(what_it_has, 'ORDER BY barber_id, busy_from') INTO in_index;
	PERFORM set_config('enable_sort', 'on', true);
	PERFORM set_config('enable_seqscan', 'on', true);
	PERFORM set_config('enable_indexscan', 'off', true);
	PERFORM set_config('enable_indexonlyscan', 'off', true);
	EXECUTE format(what_it_has, '') INTO in_table;
	RETURN QUERY
		SELECT 'index_differs', 'appointments', NULL::bigint,
			format('idx_appointments_availability_check and its table do not agree about barber %s.', key)
		FROM jsonb_each(coalesce(in_index, '{}')) i FULL JOIN jsonb_each(coalesce(in_table, '{}')) t USING (key)
		WHERE i.value IS DISTINCT FROM t.value;
END
$find_index_faults$;
COMMENT ON FUNCTION find_index_faults() IS
'Barbers of whom the index that the guard looks through has other live appointments than the table.';

CREATE FUNCTION find_structure_faults()
RETURNS TABLE (check_name text, table_name text, row_id bigint, detail text)
LANGUAGE sql STABLE ROWS 10
SET search_path = pg_catalog, pg_temp
AS $$
SELECT * FROM booking.find_catalog_faults()
UNION ALL
SELECT * FROM booking.find_policy_faults()
UNION ALL
SELECT * FROM booking.find_schema_faults()
$$;
COMMENT ON FUNCTION find_structure_faults() IS
'What verify() says about definitions and privileges, and so of no customer.';

CREATE FUNCTION find_row_faults(deep boolean, at timestamptz)
RETURNS TABLE (check_name text, table_name text, row_id bigint, detail text)
LANGUAGE plpgsql STABLE ROWS 10
SET search_path = pg_catalog, pg_temp
SET enable_indexscan = on
SET enable_indexonlyscan = on
SET enable_bitmapscan = on
AS $$
BEGIN
	IF deep THEN
		-- What is asked about the rows does not go through an index.
		PERFORM set_config('enable_indexscan', 'off', true);
		PERFORM set_config('enable_indexonlyscan', 'off', true);
		PERFORM set_config('enable_bitmapscan', 'off', true);
		RETURN QUERY SELECT * FROM booking.find_index_faults();
	END IF;
	-- Arguments are of the very types: a function of that name with others is never nearer.
	RETURN QUERY SELECT * FROM booking.find_rule_faults(deep, at);
	RETURN QUERY SELECT * FROM booking.find_life_faults(deep, at);
	RETURN QUERY SELECT * FROM booking.find_limit_faults(deep, at);
	RETURN QUERY SELECT * FROM booking.find_overlaps(at, NULL::bigint[],
		CASE WHEN deep THEN timestamptz '-infinity' ELSE at END, timestamptz 'infinity');
END
$$;
COMMENT ON FUNCTION find_row_faults(boolean, timestamptz) IS
'What verify() says about rows, as of "at" and with the caller''s own rights.';

CREATE FUNCTION verify(deep boolean DEFAULT false)
RETURNS TABLE (check_name text, table_name text, row_id bigint, detail text)
AS 'MODULE_PATHNAME', 'booking_verify' LANGUAGE C STABLE PARALLEL UNSAFE ROWS 10
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION verify(boolean) IS
'Everything that is broken in the tables; no row: nothing is. For use after an incident: triggers were off, rows came from elsewhere, an index was damaged.
deep false: appointments and days that are not over, and all other tables but the history; reads each a few times, in seconds for millions of rows. true: all rows, without trusting an index; sorts the appointments, in minutes for ten million. Takes no lock that a booking waits for.
check_name: overlap, over_capacity (equal times of one service are seats), over_active_limit (max_active_per_user), over_pending_limit (max_pending_per_user), over_day_limit (max_per_day), user_overlap (prevent_user_overlap), broken_rule (CHECK, NOT NULL), duplicate_key, orphan,
part_differs, wrong_customer, two_offers, history_version, steps_and_capacity, unknown_time_zone; missing_, invalid_, altered_, disabled_ or deferred_ index, trigger, constraint; index_differs (deep).
Limits are those that are set now: what raw writers stored beyond them shows, and what was booked before a limit or a capacity was lowered. Appointments that staff booked with an override of limits do not count: the row says that it was meant.
user_overlap is reported of a shop that prevents it; where the other appointment is at a shop that does not, only if that one was there first, as far as ids and times of change tell.
missing_ or altered_policy and disabled_row_security (once enable_row_security() was called); foreign_privilege, foreign_owner, foreign_code, foreign_object and overloaded_function: who else could change, or has changed, what the functions run (find_schema_faults).
row_id: of table_name; NULL for what is no row, or has no id. Details name ids and times, no customer''s data. Hours, notice, grid and horizon are no part of it: raw writers and staff may break those.
A role that may not SELECT from appointments, or whom its row security binds, such as a monitor, is told of rows how many there are: one line for a check and table, with row_id NULL and the detail "N rows".
Reads as the tables'' owner; revoked from PUBLIC. Errors: 42P01, 42703, 42804 when a table or column is missing or of another type; 22004.';

-- ---------------------------------------------------------------------------
-- Monitoring: health() and metrics()
--
-- They run with the rights of the caller, who needs EXECUTE on the functions
-- that read the tables as well, and never fail: what cannot be looked at is reported.
-- ---------------------------------------------------------------------------

CREATE FUNCTION guard_sample()
RETURNS TABLE (barber_count int, overlap_count bigint)
AS 'MODULE_PATHNAME', 'booking_guard_sample' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION guard_sample() IS
'How many appointments overlap or lack a seat among up to 100 barbers, from a random one on by id, from yesterday to the day after tomorrow.';

CREATE FUNCTION table_delays()
RETURNS TABLE (oldest_expired_hold interval, ahead_of_clock interval)
AS 'MODULE_PATHNAME', 'booking_table_delays' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 1
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION table_delays() IS
'How long the oldest hold or offer that ran out has been pending since (NULL: there is none), and how far in the future the newest appointments were made.';

CREATE FUNCTION table_figures()
RETURNS TABLE (figure text, label text, value float8)
AS 'MODULE_PATHNAME', 'booking_table_figures' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 11
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION table_figures() IS
'What metrics() reads of the tables: appointments of the next 24 hours by status (one index range for each barber), holds and waitlist (counted up to 100000).';

CREATE FUNCTION health() RETURNS jsonb
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1s'
AS $health$
DECLARE
	look record;
	result jsonb;
	results jsonb := '{}';
BEGIN
	FOR look IN VALUES
		('tables', $$
			SELECT jsonb_build_object('status', 'healthy', 'detail', 'All tables and columns are there.')
			FROM booking.check_tables() $$),
		('constraints', $$
			SELECT jsonb_build_object('status', CASE count(*) WHEN 0 THEN 'healthy' ELSE 'degraded' END,
				'detail', coalesce(string_agg(table_name || ': ' || detail, '; ' ORDER BY table_name, detail), 'All keys and checks are there.'))
			FROM booking.find_catalog_faults() WHERE check_name = 'missing_constraint' $$),
		('indexes', $$
			SELECT jsonb_build_object('status', CASE count(*) WHEN 0 THEN 'healthy' ELSE CASE WHEN bool_or(split_part(detail, ' ', 1) IN
					('idx_appointments_availability_check', 'idx_appointments_barber_date', 'idx_appointments_idempotency_key',
					'idx_appointments_user_status')) THEN 'unhealthy' ELSE 'degraded' END END,
				'detail', coalesce(string_agg(detail, '; ' ORDER BY detail), 'All indexes are there and valid.'))
			FROM booking.find_catalog_faults() WHERE check_name IN ('missing_index', 'invalid_index') $$),
		('triggers', $$
			SELECT jsonb_build_object('status', CASE count(*) WHEN 0 THEN 'healthy' ELSE 'unhealthy' END,
				'detail', coalesce(string_agg(table_name || ': ' || detail, '; ' ORDER BY table_name, detail), 'All triggers are there and enabled.'))
			FROM booking.find_catalog_faults() WHERE check_name IN ('missing_trigger', 'altered_trigger', 'disabled_trigger', 'deferred_trigger') $$),
		('row_security', $$
			SELECT jsonb_build_object('status', CASE count(*) WHEN 0 THEN 'healthy' ELSE 'unhealthy' END,
				'detail', rtrim(coalesce(string_agg(table_name || ': ' || detail, '; ' ORDER BY table_name, detail), 'It is off, or as enable_row_security() makes it.')
					|| ' ' || booking.list_own_access()))
			FROM booking.find_policy_faults() $$),
		('privileges', $$
			SELECT jsonb_build_object('status', CASE count(*) WHEN 0 THEN 'healthy' ELSE CASE WHEN bool_or(check_name IN
					('foreign_owner', 'foreign_code', 'overloaded_function')) THEN 'unhealthy' ELSE 'degraded' END END,
				'detail', coalesce(string_agg(concat_ws(': ', table_name, split_part(detail, '; ', 1)), '; ' ORDER BY check_name DESC, table_name, detail),
					'Nobody else can change what the functions run.'))
			FROM booking.find_schema_faults() $$),
		('guard', $$
			SELECT jsonb_build_object('status', CASE overlap_count WHEN 0 THEN 'healthy' ELSE 'unhealthy' END,
				'detail', format('%s appointments overlap in the next 48 hours of %s barbers.',
					CASE overlap_count WHEN 0 THEN 'No' ELSE overlap_count::text END, barber_count),
				'barbers', barber_count, 'overlaps', overlap_count)
			FROM booking.guard_sample() $$),
		('holds', $$
			SELECT jsonb_build_object('status', CASE WHEN oldest_expired_hold > interval '15 minutes' THEN 'degraded' ELSE 'healthy' END,
				'detail', CASE WHEN oldest_expired_hold > interval '15 minutes' THEN 'Holds that ran out are still pending: does expire_holds() run?'
					ELSE 'No hold has been pending for long after it ran out.' END,
				'oldest_expired_seconds', coalesce(extract(epoch FROM oldest_expired_hold), 0))
			FROM booking.table_delays() $$),
		('clock', $$
			SELECT jsonb_build_object('status', CASE WHEN is_fixed OR ahead_of_clock > interval '1 minute' THEN 'degraded' ELSE 'healthy' END,
				'detail', CASE WHEN is_fixed THEN 'booking.now is set: this session does not go by the clock.'
					WHEN ahead_of_clock > interval '1 minute' THEN 'Appointments were made later than now: has the clock gone back?'
					ELSE 'The session goes by the clock, which is not behind the newest appointments.' END)
			FROM booking.table_delays(), coalesce(current_setting('booking.now', true), '') AS fixed, LATERAL (SELECT fixed <> '') f (is_fixed) $$),
		('replication', $$
			SELECT jsonb_build_object('status', CASE WHEN is_paused OR lag > 60 THEN 'degraded' ELSE 'healthy' END,
				'detail', CASE WHEN is_paused THEN 'A standby whose replay is paused.' WHEN lag > 60 THEN 'A standby that is behind.'
					WHEN is_standby THEN 'A standby that keeps up.' ELSE 'The primary.' END,
				'role', CASE WHEN is_standby THEN 'standby' ELSE 'primary' END, 'lag_seconds', lag)
			FROM (SELECT pg_is_in_recovery() AS is_standby,
				CASE WHEN pg_is_in_recovery() THEN pg_is_wal_replay_paused() ELSE false END AS is_paused,
				CASE WHEN NOT pg_is_in_recovery() OR pg_last_wal_receive_lsn() <= pg_last_wal_replay_lsn() THEN 0
					ELSE round(extract(epoch FROM clock_timestamp() - pg_last_xact_replay_timestamp()), 3) END AS lag) r $$),
		('statistics', CASE WHEN to_regprocedure('booking.stats_info()') IS NULL THEN $$
			SELECT jsonb_build_object('status', 'healthy', 'detail', 'This version keeps none.', 'available', false) $$
		ELSE $$
			SELECT jsonb_build_object('status', CASE WHEN preloaded AND NOT available THEN 'degraded' ELSE 'healthy' END,
				'detail', detail, 'available', available)
			FROM booking.stats_info() $$ END)
	LOOP
		BEGIN
			EXECUTE look.column2 INTO STRICT result;
		EXCEPTION WHEN OTHERS THEN
			result := jsonb_build_object('status', CASE WHEN SQLSTATE IN ('42P01', '42703', '42804', '42704', '42725') THEN 'unhealthy' ELSE 'degraded' END,
				'detail', 'Could not be looked at: ' || SQLERRM, 'sqlstate', SQLSTATE);
			-- Who has waited for a lock once does not wait again.
			IF SQLSTATE = '55P03' THEN
				PERFORM set_config('lock_timeout', '1ms', true);
			END IF;
		END;
		results := results || jsonb_build_object(look.column1, result);
	END LOOP;
	RETURN jsonb_build_object('checks', results, 'status', (
		SELECT CASE WHEN bool_or(r.value ->> 'status' = 'unhealthy') THEN 'unhealthy'
			WHEN bool_or(r.value ->> 'status' = 'degraded') THEN 'degraded' ELSE 'healthy' END
		FROM jsonb_each(results) r));
END
$health$;
COMMENT ON FUNCTION health() IS
'{"status": the worst of all, "checks": {name: {"status", "detail", ...}}}. unhealthy: bookings fail or may go wrong, look now. degraded: look today.
tables: missing or without a column: unhealthy. indexes: without one of the four that bookings go through: unhealthy; another: degraded. triggers: missing, altered or disabled, or one of your own that is deferred: unhealthy.
constraints: missing: degraded. row_security: once enable_row_security() was called, a policy missing or altered, or a table without it: unhealthy.
privileges: a table or function of another owner, code of others on the tables, an overloaded function: unhealthy; somebody who could make such, other objects in the schema: degraded. guard: overlaps among up to 100 barbers, from a random one on, from yesterday to the day after tomorrow: unhealthy. holds: pending for 15 minutes after they ran out (oldest_expired_seconds): degraded.
clock: booking.now is set, or an appointment was made more than a minute in the future: degraded. replication: role, lag_seconds (0 when all that was received is replayed, NULL when nothing was since the start): over 60, or paused: degraded.
statistics: preloaded, but not there: degraded; not preloaded is healthy. What could not be looked at: degraded, or unhealthy when a table, column or index was missing, or a function overloaded.
Never an error but for a cancel or timeout of the statement; waits at most a second for a lock. Costs what those barbers'' three days cost to read, and what the catalogs do: about a tenth of a second, whatever the size of the tables. For pg_monitor.';

CREATE FUNCTION metric_samples()
RETURNS TABLE (family text, suffix text, labels text[], value float8)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET lock_timeout = '1s'
AS $metric_samples$
DECLARE
	health_now jsonb := booking.health();
	has_statistics boolean := (health_now #>> '{checks,statistics,available}')::boolean;
BEGIN
	RETURN QUERY
		SELECT 'booking_health_status', '', ARRAY['status', s], (health_now ->> 'status' = s)::int::float8
		FROM unnest(ARRAY['healthy', 'degraded', 'unhealthy']) s
		UNION ALL
		SELECT 'booking_health_check_status', '', ARRAY['check', c.key, 'status', s], (c.value ->> 'status' = s)::int::float8
		FROM jsonb_each(health_now -> 'checks') c, unnest(ARRAY['healthy', 'degraded', 'unhealthy']) s
		UNION ALL
		SELECT 'booking_replication_lag_seconds', '', NULL, (health_now #>> '{checks,replication,lag_seconds}')::float8;
	BEGIN
		RETURN QUERY
			SELECT 'booking_' || f.figure, '', ARRAY['status', f.label], f.value
			FROM booking.table_figures() f;
	EXCEPTION WHEN OTHERS THEN
		NULL;	-- health says why
	END;
	BEGIN
		IF has_statistics THEN
			RETURN QUERY EXECUTE $$
				SELECT 'booking_call_duration_seconds', s.suffix, ARRAY['operation', o.operation, 'quantile', s.quantile], s.value
				FROM booking.stats o, LATERAL (VALUES ('', '0.5', p50_ms / 1000), ('', '0.95', p95_ms / 1000), ('', '0.99', p99_ms / 1000),
					('_sum', NULL, total_ms / 1000), ('_count', NULL, calls::float8)) s (suffix, quantile, value)
				UNION ALL
				SELECT 'booking_call_longest_seconds', '', ARRAY['operation', operation], max_ms / 1000 FROM booking.stats
				UNION ALL
				SELECT 'booking_call_rows', '_total', ARRAY['operation', operation], rows::float8 FROM booking.stats
				UNION ALL
				SELECT 'booking_outcomes', '_total', ARRAY['operation', operation, 'outcome', outcome], calls::float8 FROM booking.stats_outcomes
				UNION ALL
				SELECT f.family, '_total', NULL, f.value
				FROM booking.stats_cache, LATERAL (VALUES ('booking_cache_hits', hits::float8), ('booking_cache_misses', misses::float8),
					('booking_cache_invalidations', invalidations::float8), ('booking_cache_evictions', evictions::float8)) f (family, value) $$;
		END IF;
	EXCEPTION WHEN OTHERS THEN
		has_statistics := false;
	END;
	RETURN QUERY SELECT 'booking_stats_available', '', NULL::text[], coalesce(has_statistics, false)::int::float8;
END
$metric_samples$;
COMMENT ON FUNCTION metric_samples() IS
'The values in metrics(). labels: a name and a value in turn; a label whose value is NULL is left out.';

CREATE FUNCTION metrics() RETURNS text
LANGUAGE sql VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp
SET standard_conforming_strings = on
SET extra_float_digits = 1
AS $$
WITH family (n, name, type, unit, help) AS (VALUES
	(1, 'booking_health_status', 'gauge', NULL, 'Whether booking.health() has this status.'),
	(2, 'booking_health_check_status', 'gauge', NULL, 'Whether a check of booking.health() has this status.'),
	(3, 'booking_replication_lag_seconds', 'gauge', 'seconds', 'How far replay is behind; 0 on a primary.'),
	(4, 'booking_appointments', 'gauge', NULL, 'Appointments that start within the next 24 hours.'),
	(5, 'booking_holds_open', 'gauge', NULL, 'Holds that have not run out, counted up to 100000.'),
	(6, 'booking_holds_expired', 'gauge', NULL, 'Holds that ran out and are still pending, counted up to 100000.'),
	(7, 'booking_oldest_expired_hold_seconds', 'gauge', 'seconds', 'How long ago the oldest hold that is still pending ran out.'),
	(8, 'booking_waitlist_waiting', 'gauge', NULL, 'Places in the waitlist, counted up to 100000.'),
	(9, 'booking_stats_available', 'gauge', NULL, 'Whether the server keeps the statistics below.'),
	(10, 'booking_call_duration_seconds', 'summary', 'seconds', 'Time that calls took.'),
	(11, 'booking_call_longest_seconds', 'gauge', 'seconds', 'The longest call since the statistics were reset.'),
	(12, 'booking_call_rows', 'counter', NULL, 'Rows that calls returned.'),
	(13, 'booking_outcomes', 'counter', NULL, 'Calls by what came of them.'),
	(14, 'booking_cache_hits', 'counter', NULL, 'Calls that found the configuration compiled.'),
	(15, 'booking_cache_misses', 'counter', NULL, 'Calls that had to compile some of the configuration.'),
	(16, 'booking_cache_invalidations', 'counter', NULL, 'Times that a backend forgot its configuration.'),
	(17, 'booking_cache_evictions', 'counter', NULL, 'Shops, barbers and services that a backend dropped to make room.')
), line AS (
	SELECT s.family, s.suffix, string_agg(format('%s="%s"', s.labels[i],
			replace(replace(replace(s.labels[i + 1], '\', '\\'), '"', '\"'), E'\n', '\n')), ',' ORDER BY i)
			FILTER (WHERE s.labels[i + 1] IS NOT NULL) AS labels,
		CASE s.value WHEN 'Infinity' THEN '+Inf' WHEN '-Infinity' THEN '-Inf' ELSE s.value::text END AS value
	FROM booking.metric_samples() WITH ORDINALITY AS s (family, suffix, labels, value, n)
	LEFT JOIN LATERAL generate_series(1, cardinality(s.labels), 2) i ON true
	WHERE s.value IS NOT NULL
	GROUP BY s.n, s.family, s.suffix, s.value
)
SELECT string_agg(format(E'# HELP %s %s\n', f.name, f.help) || format(E'# TYPE %s %s\n', f.name, f.type)
	|| coalesce('# UNIT ' || f.name || ' ' || f.unit || E'\n', '') || l.lines, '' ORDER BY f.n) || E'# EOF\n'
FROM family f
JOIN (SELECT family, string_agg(family || suffix || coalesce('{' || labels || '}', '') || ' ' || value || E'\n', ''
	ORDER BY labels COLLATE "C", suffix COLLATE "C") AS lines
	FROM line GROUP BY family) l ON l.family = f.name
$$;
COMMENT ON FUNCTION metrics() IS
'Health, figures of the tables and statistics as OpenMetrics text: names begin with booking_, times are in seconds; serve it as application/openmetrics-text; version=1.0.0; charset=utf-8.
What cannot be read is left out: without statistics, booking_stats_available is 0; without tables, booking_health_status says so. Errors and waits as health().
Costs what health() does, and an index range of 24 hours for each barber. For pg_monitor.';

-- ---------------------------------------------------------------------------
-- Trigger functions
-- ---------------------------------------------------------------------------

CREATE FUNCTION guard_before() RETURNS trigger
AS 'MODULE_PATHNAME', 'booking_guard_before' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION guard_before() IS
'Row trigger of appointments: fills in defaults, clears notes that a row would take along to another shop or customer, lets busy_from and busy_until go along when an UPDATE moves starts_at and ends_at and not them, refuses a status change that is not allowed (SL009) and an overlap (23P01).';

CREATE FUNCTION guard_after() RETURNS trigger
AS 'MODULE_PATHNAME', 'booking_guard_after' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION guard_after() IS
'Row trigger of appointments: makes sure that the row which was really stored overlaps no other (23P01).';

CREATE FUNCTION appointment_changed() RETURNS trigger
AS 'MODULE_PATHNAME', 'booking_appointment_changed' LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION appointment_changed() IS
'Row trigger of appointments: keeps every update and deletion in appointment_history, with booking.actor (else the session''s role) as changed_by, and the shop and customer that the appointment had. A change of either leaves an entry with each, which tells nothing of the other.';

CREATE FUNCTION check_steps() RETURNS trigger
AS 'MODULE_PATHNAME', 'booking_check_steps' LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION check_steps() IS
'Row trigger of services and service_steps: refuses steps for a service with a capacity above 1 (23514).';

CREATE FUNCTION configuration_changed() RETURNS trigger
AS 'MODULE_PATHNAME', 'booking_configuration_changed' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION configuration_changed() IS
'Statement trigger of the configuration tables, and row trigger for what logical replication writes there: makes every backend read them again once the change is committed.';

CREATE FUNCTION check_time_zone() RETURNS trigger
AS 'MODULE_PATHNAME', 'booking_check_time_zone' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION check_time_zone() IS
'Row trigger of shops: refuses a time zone that the server does not know (22023).';

-- ---------------------------------------------------------------------------
-- Roles: who may do what
--
-- EXECUTE, USAGE on the schema and privileges on the tables are all there is;
-- grant_role() knows which of them belong together.  A role that may execute
-- decline_appointment, the shop's "no", is staff to all functions: it alone may
-- override rules, cancel for the shop, and confirm what waits for the shop.
-- ---------------------------------------------------------------------------

CREATE FUNCTION require_role(role regrole) RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $require_role$
BEGIN
	IF role IS NULL THEN
		RAISE EXCEPTION 'role must not be null'
			USING ERRCODE = 'null_value_not_allowed',
			DETAIL = 'The function does nothing without it.',
			HINT = 'Pass a role.';
	ELSIF NOT EXISTS (SELECT FROM pg_roles WHERE oid = role) THEN
		RAISE EXCEPTION 'role % does not exist', role
			USING ERRCODE = 'invalid_parameter_value',
			DETAIL = 'The number is no role''s.',
			HINT = 'Pass a role by its name.';
	END IF;
END
$require_role$;
COMMENT ON FUNCTION require_role(regrole) IS
'Refuses what is no role. Errors: 22004 NULL; 22023 a number that is no role''s.';

CREATE FUNCTION grant_role(role regrole, kind text) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $grant_role$
DECLARE
	functions text[];
	readable text[] := '{}';
	writable text[] := '{}';
	front CONSTANT text[] := ARRAY[
		'available_slots', 'next_slots', 'availability_by_day', 'available_visits', 'free_time', 'check_slot',
		'active_services', 'active_barbers', 'user_appointments',
		'book_slot', 'try_book_slot', 'hold_slot', 'book_visit', 'book_series',
		'confirm_appointment', 'cancel_appointment', 'reschedule_appointment',
		'join_waitlist', 'leave_waitlist', 'ensure_user'];
	staff CONSTANT text[] := front || ARRAY[
		'decline_appointment', 'check_in', 'complete_appointment', 'mark_no_show', 'expire_holds',
		'get_barber_availability', 'appointments_at_risk'];
	configuration CONSTANT text[] := ARRAY[
		'shops', 'barbers', 'services', 'service_steps', 'barber_services',
		'working_hours', 'schedule_overrides', 'time_off', 'blocked_customers'];
	customers CONSTANT text[] := ARRAY['appointments', 'appointment_history', 'users', 'shop_customers', 'waitlist'];
	target record;
BEGIN
	PERFORM booking.require_role(role);
	IF kind IS NULL THEN
		RAISE EXCEPTION 'kind must not be null'
			USING ERRCODE = 'null_value_not_allowed',
			DETAIL = 'The function cannot grant without it.',
			HINT = 'Pass one of front, staff, manager and monitor.';
	END IF;

	CASE kind
		WHEN 'front' THEN
			functions := front;
		WHEN 'staff' THEN
			functions := staff;
			readable := configuration || customers;
		WHEN 'manager' THEN
			functions := staff || ARRAY['verify', 'business_metrics'];
			readable := configuration || customers;
			writable := configuration;
		WHEN 'monitor' THEN
			functions := ARRAY['health', 'guard_sample', 'table_delays', 'metrics', 'table_figures', 'metric_samples', 'verify',
				'stats_info', 'stats_operations', 'stats_outcome_counts', 'stats_cache_counts'];
			readable := ARRAY['stats', 'stats_outcomes', 'stats_cache'];
		ELSE
			RAISE EXCEPTION 'there is no kind "%" of roles', left(kind, 40)
				USING ERRCODE = 'invalid_parameter_value',
				DETAIL = 'A kind names the privileges that belong together.',
				HINT = 'Use front, staff, manager or monitor.';
	END CASE;

	-- What is not there, such as tables before setup(), is left out.
	EXECUTE format('GRANT USAGE ON SCHEMA booking TO %s', role);
	FOR target IN
		SELECT 'EXECUTE' AS privileges, 'FUNCTION' AS type, p.oid::regprocedure::text AS name
		FROM unnest(functions) WITH ORDINALITY f (name, n)
		JOIN pg_proc p ON p.pronamespace = 'booking'::regnamespace AND p.proname = f.name
		JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
		JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND e.oid = d.refobjid AND e.extname = 'booking'
		UNION ALL
		SELECT CASE WHEN t.name = ANY (writable) THEN 'SELECT, INSERT, UPDATE, DELETE' ELSE 'SELECT' END,
			'TABLE', to_regclass(format('booking.%I', t.name))::text
		FROM unnest(readable) WITH ORDINALITY t (name, n)
		WHERE to_regclass(format('booking.%I', t.name)) IS NOT NULL
	LOOP
		EXECUTE format('GRANT %s ON %s %s TO %s', target.privileges, target.type, target.name, role);
		RETURN NEXT format('granted %s on %s', target.privileges, target.name);
	END LOOP;
END
$grant_role$;
COMMENT ON FUNCTION grant_role(regrole, text) IS
'Grants a role what it needs, and returns a line for each grant. Run it again after an upgrade or setup(): what is there already stays.
front: find, book, hold, confirm, cancel, move and wait, for any user; no table. staff: also the day board, appointments at risk, decline, check in, complete, no-show, expire_holds; the shop''s word (overrides, cancelled_by shop, confirming for the shop); SELECT on the tables.
manager: also INSERT, UPDATE and DELETE on the configuration tables, of all shops; verify, business_metrics. monitor: health, metrics, verify and statistics alone.
Runs with the caller''s rights: it needs to own the functions and tables, or to be a superuser. Errors: 22004 NULL; 22023 unknown kind, no role; 42501.';

CREATE FUNCTION revoke_role(role regrole) RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $revoke_role$
BEGIN
	PERFORM booking.require_role(role);
	EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA booking FROM %s', role);
	EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA booking FROM %s', role);
	EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA booking FROM %s', role);
	EXECUTE format('REVOKE ALL ON SCHEMA booking FROM %s', role);
END
$revoke_role$;
COMMENT ON FUNCTION revoke_role(regrole) IS
'Takes all privileges on the schema and what is in it from a role, whatever kind it was, so that nothing of booking keeps it from being dropped.
Runs with the caller''s rights, as grant_role does. Errors: 22004 NULL; 22023 no role; 42501.';

-- ---------------------------------------------------------------------------
-- Row security: whose rows
--
-- The policies outlive the extension, as the tables do: they use nothing of it,
-- and while it is gone nobody is staff.  Each says for the tables what
-- src/access.c says for the functions.
-- ---------------------------------------------------------------------------

CREATE FUNCTION row_policies()
RETURNS TABLE (on_table text, name text, definition text)
LANGUAGE sql IMMUTABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $row_policies$
SELECT v.on_table, v.name, pg_catalog.format('CREATE POLICY %I ON booking.%I ', v.name, v.on_table) ||
	pg_catalog.replace(pg_catalog.replace(v.rule,
		'ACTING_USER', $$(SELECT nullif(current_setting('booking.user_id', true), '')::bigint)$$),
		'ACTING_SHOP', $$(SELECT CASE WHEN nullif(current_setting('booking.user_id', true), '') IS NULL
			AND nullif(current_setting('booking.shop_id', true), '') IS NOT NULL
			THEN CASE WHEN has_function_privilege(to_regprocedure('booking.decline_appointment(bigint,text,integer)'), 'EXECUTE')
			THEN current_setting('booking.shop_id')::bigint END END)$$)
FROM (VALUES
	('appointments', 'booking_customer', 'USING (user_id = ACTING_USER)'),
	('appointments', 'booking_shop',
		'USING (barber_id IN (SELECT b.id FROM booking.barbers b WHERE b.shop_id = ACTING_SHOP))'),
	('appointment_history', 'booking_customer', 'FOR SELECT USING (user_id = ACTING_USER)'),
	('appointment_history', 'booking_shop', 'FOR SELECT USING (shop_id = ACTING_SHOP)'),
	('users', 'booking_customer', 'USING (id = ACTING_USER)'),
	-- Whoever only held a time, or waits, is nobody's customer: src/access.c
	('users', 'booking_shop', 'FOR SELECT USING (EXISTS (SELECT FROM booking.appointments a WHERE a.user_id = users.id
		AND a.status <> ''expired'' AND (a.hold_expires_at IS NULL OR a.is_request))
		OR EXISTS (SELECT FROM booking.shop_customers c WHERE c.user_id = users.id AND c.shop_id = ACTING_SHOP))'),
	('shop_customers', 'booking_customer', 'FOR SELECT USING (user_id = ACTING_USER)'),
	('shop_customers', 'booking_shop', 'FOR SELECT USING (shop_id = ACTING_SHOP)'),
	('blocked_customers', 'booking_shop', 'USING (shop_id = ACTING_SHOP)'),
	('time_off', 'booking_shop', 'USING (shop_id = ACTING_SHOP
		OR barber_id IN (SELECT b.id FROM booking.barbers b WHERE b.shop_id = ACTING_SHOP))'),
	('schedule_overrides', 'booking_shop', 'USING (shop_id = ACTING_SHOP
		OR barber_id IN (SELECT b.id FROM booking.barbers b WHERE b.shop_id = ACTING_SHOP))'),
	('waitlist', 'booking_customer', 'USING (user_id = ACTING_USER)'),
	('waitlist', 'booking_shop',
		'USING (service_id IN (SELECT s.id FROM booking.services s WHERE s.shop_id = ACTING_SHOP))')
) v (on_table, name, rule)
$row_policies$;
COMMENT ON FUNCTION row_policies() IS
'The policies that enable_row_security() makes, with their DDL. A shop sees of users its customers: who has an appointment there that is no hold and did not expire, and who is in shop_customers.';

CREATE FUNCTION enable_row_security() RETURNS SETOF text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $enable_row_security$
DECLARE
	policy record;
	relation regclass;
BEGIN
	PERFORM booking.check_tables();
	FOR policy IN SELECT * FROM booking.row_policies() LOOP
		relation := format('booking.%I', policy.on_table)::regclass;
		CASE booking.has_policy(policy.on_table, policy.name)
			WHEN true THEN
				NULL;
			WHEN false THEN
				EXECUTE format('DROP POLICY %I ON %s', policy.name, relation);
				EXECUTE policy.definition;
				RETURN NEXT format('replaced policy %s on %s', policy.name, policy.on_table);
			ELSE
				EXECUTE policy.definition;
				RETURN NEXT format('created policy %s on %s', policy.name, policy.on_table);
		END CASE;
		IF NOT (SELECT relrowsecurity FROM pg_class WHERE oid = relation) THEN
			EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', relation);
			RETURN NEXT format('enabled row security on %s', policy.on_table);
		END IF;
	END LOOP;
END
$enable_row_security$;
COMMENT ON FUNCTION enable_row_security() IS
'Switches row-level security on for appointments, appointment_history, users, shop_customers, blocked_customers, waitlist, time_off and schedule_overrides, with the policies that are missing, or not as row_policies() has them, and returns a line for each.
From then on every role but the tables'' owner, superusers and those with BYPASSRLS says in each transaction for whom it acts: SET LOCAL booking.user_id = ''42'' for a customer, or, as staff, SET LOCAL booking.shop_id = ''6''. SET LOCAL (or, for a parameter, set_config(''booking.user_id'', $1, true)) ends with the transaction, so that poolers may share connections.
A customer reads and changes what is his own, staff what is their shop''s, in the tables and through the functions: another''s appointment is not_found (P0002), another''s user or shop id refused (42501), and so is a call that names nobody (42501).
Staff see, and book for, their shop''s customers: who has an appointment there that is no hold and did not expire, and whom ensure_user() was called for with booking.shop_id set. A place on the waitlist makes nobody a customer. Anybody else is not_found (P0002), as a user that is not there. The history of an appointment stays with the shop and the customer that it had then.
Managers set booking.shop_id too, for time off and overrides of opening hours.
The settings are trusted as the role that sets them is: they bind who calls through a front, not the front itself. A trigger function of yours that books for others needs SET booking.user_id = ''''.
Needs to own the tables, and locks each of them (ACCESS EXCLUSIVE) until the transaction ends.';

CREATE FUNCTION disable_row_security() RETURNS SETOF text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $disable_row_security$
DECLARE
	policy record;
	relation regclass;
BEGIN
	FOR policy IN SELECT * FROM booking.row_policies() LOOP
		relation := to_regclass(format('booking.%I', policy.on_table));
		IF EXISTS (SELECT FROM pg_policy WHERE polrelid = relation AND polname = policy.name) THEN
			EXECUTE format('DROP POLICY %I ON %s', policy.name, relation);
			RETURN NEXT format('dropped policy %s on %s', policy.name, policy.on_table);
		END IF;
		IF (SELECT relrowsecurity FROM pg_class WHERE oid = relation) THEN
			EXECUTE format('ALTER TABLE %s DISABLE ROW LEVEL SECURITY', relation);
			RETURN NEXT format('disabled row security on %s', policy.on_table);
		END IF;
	END LOOP;
END
$disable_row_security$;
COMMENT ON FUNCTION disable_row_security() IS
'Undoes enable_row_security(), and returns a line for each thing it did; policies of your own stay, without effect. booking.user_id and booking.shop_id bind whoever sets them all the same. Needs to own the tables.';

-- ---------------------------------------------------------------------------
-- Privileges: EXECUTE, and USAGE on the schema, are the gate
-- ---------------------------------------------------------------------------

REVOKE ALL ON FUNCTION
	setup(regrole),
	get_barber_availability(bigint, date),
	user_appointments(bigint, boolean),
	appointments_at_risk(bigint),
	business_metrics(bigint, date, date),
	stats_operations(),
	stats_outcome_counts(),
	stats_cache_counts(),
	stats_info(),
	stats_reset(),
	book_slot(bigint, bigint, bigint, timestamptz, text, text[]),
	try_book_slot(bigint, bigint, bigint, timestamptz, text, text[]),
	hold_slot(bigint, bigint, bigint, timestamptz, interval, text, text[]),
	book_visit(bigint, visit_item[], text, text[]),
	book_series(bigint, bigint, bigint, timestamptz, interval, int, text, text[]),
	confirm_appointment(bigint, int, text[]),
	decline_appointment(bigint, text, int),
	cancel_appointment(bigint, text, text, int),
	reschedule_appointment(bigint, timestamptz, bigint, bigint, int, text[], boolean),
	check_in(bigint, int),
	complete_appointment(bigint, int),
	mark_no_show(bigint, int),
	expire_holds(),
	join_waitlist(bigint, bigint, timestamptz, timestamptz, bigint),
	leave_waitlist(bigint),
	ensure_user(text, text, text),
	grant_role(regrole, text),
	revoke_role(regrole),
	enable_row_security(),
	disable_row_security(),
	verify(boolean),
	health(),
	guard_sample(),
	table_delays(),
	table_figures(),
	metrics(),
	metric_samples()
FROM PUBLIC;

-- What monitoring needs
GRANT USAGE ON SCHEMA booking TO pg_monitor;
GRANT SELECT ON stats, stats_outcomes, stats_cache TO pg_monitor;
GRANT EXECUTE ON FUNCTION
	stats_operations(),
	stats_outcome_counts(),
	stats_cache_counts(),
	stats_info(),
	health(),
	guard_sample(),
	table_delays(),
	table_figures(),
	metrics(),
	metric_samples()
TO pg_monitor;

-- ---------------------------------------------------------------------------
-- Tables that are there already must be nobody's trap
--
-- Code that others have put on them would run as soon as somebody books, as the
-- tables' owner: whose the table is now says nothing of that.  After DROP
-- EXTENSION all of them are there, of one owner, and his triggers are his
-- business; then it is enough to say whose they are.
-- ---------------------------------------------------------------------------

DO $$
DECLARE
	stranger pg_catalog.text;
	is_complete pg_catalog.bool;
	code pg_catalog.text;
	called pg_catalog.text;
BEGIN
	SELECT pg_catalog.string_agg(DISTINCT CASE WHEN NOT r.rolsuper AND r.oid OPERATOR(pg_catalog.<>) n.nspowner THEN r.rolname END, ', '),
		pg_catalog.count(r.oid) OPERATOR(pg_catalog.=) pg_catalog.count(*)
			AND pg_catalog.count(DISTINCT r.oid) OPERATOR(pg_catalog.=) 1::pg_catalog.int8
	INTO stranger, is_complete
	FROM booking.schema_parts() p
	LEFT JOIN pg_catalog.pg_class c ON c.oid OPERATOR(pg_catalog.=) pg_catalog.to_regclass(pg_catalog.format('booking.%I', p.name))
	LEFT JOIN pg_catalog.pg_namespace n ON n.oid OPERATOR(pg_catalog.=) c.relnamespace
	LEFT JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) c.relowner
	WHERE p.kind OPERATOR(pg_catalog.=) 'table';

	SELECT pg_catalog.string_agg(pg_catalog.format('%s on %s', f.code, f.table_name), ', ' ORDER BY f.table_name, f.code)
	INTO code
	FROM booking.find_table_code() f;

	SELECT pg_catalog.string_agg(pg_catalog.format('%s on %s with %s %s of role %s', c.part, c.table_name, c.kind, c.name, r.rolname), ', '
		ORDER BY c.table_name, c.part, c.kind DESC, c.name)
	INTO called
	FROM booking.find_called_code() c
	JOIN pg_catalog.pg_roles r ON r.oid OPERATOR(pg_catalog.=) c.made_by::pg_catalog.oid
	JOIN pg_catalog.pg_namespace n ON n.nspname OPERATOR(pg_catalog.=) 'booking'
	WHERE NOT r.rolsuper AND r.oid OPERATOR(pg_catalog.<>) n.nspowner
	AND c.made_by::pg_catalog.oid OPERATOR(pg_catalog.<>) c.owner::pg_catalog.oid;

	IF called IS NOT NULL THEN
		RAISE EXCEPTION 'tables in schema "booking" use code of others'
			USING ERRCODE = 'insufficient_privilege',
			DETAIL = pg_catalog.format('There is %s, to whom the table does not belong.', called),
			HINT = 'Drop that code from the tables, or drop the tables; then create the extension again. It would run as the tables'' owner, whoever that is.';
	ELSIF code IS NOT NULL AND NOT is_complete THEN
		RAISE EXCEPTION 'tables in schema "booking" have code on them'
			USING ERRCODE = 'insufficient_privilege',
			DETAIL = pg_catalog.format('There is %s. They are not all of the tables, or not of one owner, so that it would run on others'' data.', code),
			HINT = 'Drop that code, or the tables; then create the extension again. Another owner of the tables would run it.';
	ELSIF stranger IS NOT NULL THEN
		RAISE WARNING 'tables in schema "booking" belong to role %', stranger
			USING DETAIL = pg_catalog.concat('Their owner reads and changes all rows, and may put triggers on the tables.', ' There is ' || code || '.'),
			HINT = 'If that is a role which shall not, drop the tables before you go on, or what it has put on them and then ALTER TABLE ... OWNER TO another one.';
	END IF;
END
$$;
