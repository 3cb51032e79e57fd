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
	max_active_per_user int CHECK (max_active_per_user > 0),
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
	capacity int NOT NULL DEFAULT 1 CHECK (capacity >= 1),
	price_cents bigint NOT NULL DEFAULT 0 CHECK (price_cents >= 0),
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
	price_cents bigint CHECK (price_cents >= 0),
	PRIMARY KEY (barber_id, service_id)
)$$),
('table', 'users', NULL, $$
CREATE TABLE booking.users (
	id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	email text NOT NULL CHECK (email ~ '^[^@[:space:]]+@[^@[:space:]]+$' AND char_length(email) <= 254),
	name text,
	phone text,
	is_active boolean NOT NULL DEFAULT true
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
	CONSTRAINT appointments_price CHECK (price_cents >= 0),
	CONSTRAINT appointments_key CHECK (char_length(idempotency_key) BETWEEN 1 AND 200)
)$$),
-- What was changed: both sides hold the changed columns alone, all of them
-- where the row was deleted.  It outlives the appointment.
('table', 'appointment_history', NULL, $$
CREATE TABLE booking.appointment_history (
	id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,
	appointment_id bigint NOT NULL,
	version int NOT NULL,
	changed_at timestamptz NOT NULL,
	changed_by text NOT NULL,
	db_role text NOT NULL,
	from_values jsonb NOT NULL,
	to_values jsonb
)$$),
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
CREATE UNIQUE INDEX idx_users_email_active ON booking.users (lower(email)) WHERE is_active$$),
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
CREATE UNIQUE INDEX idx_appointments_idempotency_key ON booking.appointments (idempotency_key)
WHERE idempotency_key IS NOT NULL$$),
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
CREATE INDEX idx_waitlist_waiting ON booking.waitlist (service_id, id) WHERE status = 'waiting'$$),
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
CREATE TRIGGER history AFTER UPDATE OR DELETE ON booking.appointments
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
CREATE TRIGGER configuration_changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON booking.%I
FOR EACH STATEMENT EXECUTE FUNCTION booking.configuration_changed()$$, t)
FROM unnest(ARRAY['shops', 'barbers', 'services', 'service_steps', 'barber_services',
	'working_hours', 'schedule_overrides', 'time_off']) AS t
$schema_parts$;
COMMENT ON FUNCTION schema_parts() IS
'The tables, indexes and triggers that setup() makes, in the order it makes them, with their DDL.';

CREATE FUNCTION check_tables() RETURNS void
AS 'MODULE_PATHNAME', 'booking_check_tables' LANGUAGE C STABLE STRICT PARALLEL RESTRICTED;
COMMENT ON FUNCTION check_tables() IS
'Raises an error that names the first table or column of the booking schema that is missing or has the wrong type.';

CREATE FUNCTION setup(owner regrole DEFAULT NULL) RETURNS SETOF text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $setup$
DECLARE
	part record;
	tables_checked boolean := false;
BEGIN
	FOR part IN SELECT * FROM booking.schema_parts() LOOP
		-- Indexes and triggers on a table that is not ours would fail with
		-- a message about themselves; name the table's fault first.
		IF part.kind <> 'table' AND NOT tables_checked THEN
			PERFORM booking.check_tables();
			tables_checked := true;
		END IF;

		CONTINUE WHEN CASE part.kind
			WHEN 'trigger' THEN EXISTS (
				SELECT FROM pg_trigger
				WHERE tgrelid = format('booking.%I', part.on_table)::regclass
				AND tgname = part.name)
			ELSE to_regclass(format('booking.%I', part.name)) IS NOT NULL
		END;

		EXECUTE part.definition;
		IF part.kind = 'table' AND owner IS NOT NULL THEN
			EXECUTE format('ALTER TABLE booking.%I OWNER TO %s', part.name, owner);
		END IF;
		RETURN NEXT concat_ws(' ', 'created', part.kind, part.name, 'on ' || part.on_table);
	END LOOP;

	IF owner IS NOT NULL THEN
		EXECUTE format('GRANT USAGE ON SCHEMA booking TO %s', owner);
	END IF;
END
$setup$;
COMMENT ON FUNCTION setup(regrole) IS
'Creates the tables, indexes and triggers that are missing, and returns a line for each; nothing that exists is changed.
owner: the role that shall own new tables (default: the caller). Needs CREATE on schema booking.
Errors: 42703/42804 (from check_tables) when a table of that name lacks a column or has it with another type.';

-- ---------------------------------------------------------------------------
-- Reads: availability
--
-- All of them compute from the rows of the caller's snapshot, run on a hot
-- standby, and show no customer's data.
-- ---------------------------------------------------------------------------

CREATE FUNCTION available_slots(service_id bigint, from_date date, to_date date DEFAULT NULL,
	barber_id bigint DEFAULT NULL, for_appointment_id bigint DEFAULT NULL) RETURNS SETOF slot
AS 'MODULE_PATHNAME', 'booking_available_slots' LANGUAGE C STABLE PARALLEL SAFE ROWS 30;
COMMENT ON FUNCTION available_slots(bigint, date, date, bigint, bigint) IS
'The slots of a service on the local dates from_date to to_date (default: from_date alone), at most 366 days, ordered by starts_at, barber_id.
barber_id NULL: of every barber who offers the service. A barber who does not offer it, or anything inactive, gives no rows.
seats_left: how many may still book it, for a service with a capacity. ends_at: the end of the last step, for a service with steps.
for_appointment_id: an appointment that is to be moved; its own time is not in its way.
Errors: P0002 unknown service, barber or appointment; 22004 NULL service or from_date; 22023 infinite, reversed or too long range.';

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
'One row for every local date of the range: how many rows available_slots has for it, and the earliest start. Errors as available_slots.';

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
Errors as available_slots; 22023 no or too many services, or of two shops; 22004 NULL in service_ids.';

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
a barber may have others, which active_barbers(shop_id, service_id) shows. Errors: P0002 unknown shop; 22004 NULL.';

CREATE FUNCTION active_barbers(shop_id bigint, service_id bigint DEFAULT NULL)
RETURNS TABLE (barber_id bigint, name text, duration_minutes int, price_cents bigint, currency text)
AS 'MODULE_PATHNAME', 'booking_active_barbers' LANGUAGE C STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION active_barbers(bigint, bigint) IS
'The active barbers of an active shop, by name. With service_id: those who offer it, with their own minutes and price; without: both NULL.
Errors: P0002 unknown shop or service; 22004 NULL shop_id.';

CREATE FUNCTION user_appointments(user_id bigint, upcoming boolean DEFAULT true)
RETURNS TABLE (appointment_id bigint, starts_at timestamptz, ends_at timestamptz, status text,
	hold_expires_at timestamptz, price_cents bigint, currency text, version int,
	barber_id bigint, barber_name text, service_id bigint, service_name text,
	shop_id bigint, shop_name text, time_zone text)
AS 'MODULE_PATHNAME', 'booking_user_appointments' LANGUAGE C STABLE PARALLEL SAFE ROWS 10
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION user_appointments(bigint, boolean) IS
'A customer''s appointments. upcoming: those live and not over, soonest first; otherwise all the others, latest first.
Customer data: revoked from PUBLIC. Errors: P0002 unknown user; 22004 NULL argument.';

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
idempotency_key: the same key with the same request returns the first appointment again, also when both run at once.
overrides: rules that staff may break: hours, notice, grid, horizon, limits, window; never the overlap. Those that were broken are kept on the row.
A service that requires confirmation is booked as pending. One with steps is stored as a visit, a row for each step, of which the first is returned.
It succeeds exactly when the slot is in available_slots and no limit of the customer''s is reached; it waits only for a transaction that is booking or freeing an overlapping time, or the last place under a limit, at every isolation level.
Errors: 23P01 slot_taken, SL001 outside_hours, SL002 notice_too_short, SL003 too_far_ahead, SL004 off_grid, SL005 not_offered, SL006 limit_reached, SL010 idempotency_conflict, SL012 user_overlap, P0002 not_found, 22004, 22023; 23503 when the barber, service or user is deleted at the same moment.';

CREATE FUNCTION try_book_slot(barber_id bigint, service_id bigint, user_id bigint, starts_at timestamptz,
	idempotency_key text DEFAULT NULL, overrides text[] DEFAULT NULL) RETURNS booking_outcome
AS 'MODULE_PATHNAME', 'booking_try_book_slot' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION try_book_slot(bigint, bigint, bigint, timestamptz, text, text[]) IS
'book_slot that answers a "no" with its reason code instead of an error, so that the transaction goes on. Only bad arguments (22004, 22023) are errors.';

CREATE FUNCTION hold_slot(barber_id bigint, service_id bigint, user_id bigint, starts_at timestamptz,
	hold_for interval DEFAULT NULL, idempotency_key text DEFAULT NULL, overrides text[] DEFAULT NULL) RETURNS appointment
AS 'MODULE_PATHNAME', 'booking_hold_slot' LANGUAGE C VOLATILE PARALLEL UNSAFE;
COMMENT ON FUNCTION hold_slot(bigint, bigint, bigint, timestamptz, interval, text, text[]) IS
'book_slot that holds the slot as pending until confirm_appointment, at most for hold_for (default: the shop''s hold_minutes; more than 0, at most 7 days).
From hold_expires_at on it occupies nothing; nothing has to run for that. Errors as book_slot.';

CREATE FUNCTION book_visit(user_id bigint, items visit_item[], idempotency_key text DEFAULT NULL,
	overrides text[] DEFAULT NULL) RETURNS SETOF appointment
AS 'MODULE_PATHNAME', 'booking_book_visit' LANGUAGE C VOLATILE PARALLEL UNSAFE ROWS 3
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION book_visit(bigint, visit_item[], text, text[]) IS
'Books up to 20 items at once, all or nothing, under one visit_id; returns an appointment for each, in the order of the items.
An item that begins when another of the visit ends (with the same barber: once the buffers between them have passed) need not be on the grid.
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

CREATE FUNCTION confirm_appointment(appointment_id bigint, version int DEFAULT NULL) RETURNS appointment
AS 'MODULE_PATHNAME', 'booking_confirm_appointment' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION confirm_appointment(bigint, int) IS
'Confirms a hold, or an appointment that waits for the shop''s confirmation.
Errors: P0002 not_found; SL008 hold_expired; SL009 when it is not pending; SL011 version_conflict; 23P01 when its group has no such seat any more; 22004.';

CREATE FUNCTION decline_appointment(appointment_id bigint, reason text DEFAULT NULL, version int DEFAULT NULL) RETURNS appointment
AS 'MODULE_PATHNAME', 'booking_decline_appointment' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION decline_appointment(bigint, text, int) IS
'The shop''s "no" to a pending appointment: cancelled, by the shop. Its time goes to the waitlist, if anybody waits for it.
Errors: P0002 not_found; SL009 when it is not pending; SL011 version_conflict; 22004.';

CREATE FUNCTION cancel_appointment(appointment_id bigint, reason text DEFAULT NULL, cancelled_by text DEFAULT 'customer',
	version int DEFAULT NULL) RETURNS appointment
AS 'MODULE_PATHNAME', 'booking_cancel_appointment' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION cancel_appointment(bigint, text, text, int) IS
'Cancels a pending or confirmed appointment; its time is free for others when the transaction commits, unless somebody on the waitlist gets it.
cancelled_by: customer, who is bound by the shop''s cancellation_window_minutes (but for a hold), or shop, which is not.
Errors: P0002 not_found; SL007 when less than the window is left before the start; SL009 when it is over or cancelled already; SL011 version_conflict; 22004; 22023.';

CREATE FUNCTION reschedule_appointment(appointment_id bigint, starts_at timestamptz, barber_id bigint DEFAULT NULL,
	service_id bigint DEFAULT NULL, version int DEFAULT NULL, overrides text[] DEFAULT NULL) RETURNS appointment
AS 'MODULE_PATHNAME', 'booking_reschedule_appointment' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION reschedule_appointment(bigint, timestamptz, bigint, bigint, int, text[]) IS
'Moves a pending or confirmed appointment, to another barber or service too; the row stays the same, and its own old time is never in its way.
available_slots(..., for_appointment_id) shows what it could move to. Price and length become those of a new barber or service.
Like a cancellation it is bound by the shop''s cancellation window (SL007), unless overrides has window.
Errors as book_slot; SL008 hold_expired; SL009 invalid_transition; SL011 version_conflict.';

CREATE FUNCTION check_in(appointment_id bigint, version int DEFAULT NULL) RETURNS appointment
AS 'MODULE_PATHNAME', 'booking_check_in' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION check_in(bigint, int) IS
'The customer is there. Errors: P0002 not_found; SL009 when it is not confirmed; SL011 version_conflict; 22004.';

CREATE FUNCTION complete_appointment(appointment_id bigint, version int DEFAULT NULL) RETURNS appointment
AS 'MODULE_PATHNAME', 'booking_complete_appointment' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION complete_appointment(bigint, int) IS
'The work is done; whatever is left of its time is free. Errors: P0002 not_found; SL009 when it is not confirmed or checked in; SL011 version_conflict; 22004.';

CREATE FUNCTION mark_no_show(appointment_id bigint, version int DEFAULT NULL) RETURNS appointment
AS 'MODULE_PATHNAME', 'booking_mark_no_show' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION mark_no_show(bigint, int) IS
'The customer did not come. Errors: P0002 not_found; SL009 when it is not confirmed or checked in, or has not begun; SL011 version_conflict; 22004.';

CREATE FUNCTION expire_holds() RETURNS int
AS 'MODULE_PATHNAME', 'booking_expire_holds' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION expire_holds() IS
'Housekeeping: marks holds that have run out as expired, gives their time to the waitlist, and returns how many appointments there were. Wishes on the waitlist that are past are marked as expired too. Availability does not depend on it.
Holds that another transaction is changing are left for the next call. Call it from pg_cron, or any timer.';

CREATE FUNCTION join_waitlist(user_id bigint, service_id bigint, earliest timestamptz, latest timestamptz,
	barber_id bigint DEFAULT NULL) RETURNS bigint
AS 'MODULE_PATHNAME', 'booking_join_waitlist' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION join_waitlist(bigint, bigint, timestamptz, timestamptz, bigint) IS
'Waits for a slot of the service that begins at earliest or later and ends by latest, with that barber or (NULL) any; returns the id of the place in line. The same wish again returns the same place.
When a cancellation, decline, move or expiry frees such a time, the first in line gets a hold for the shop''s waitlist_hold_minutes, in that transaction.
Errors: P0002 unknown user, service or barber; SL005 not_offered; 22004; 22023 a wish that is infinite, reversed or past.';

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
Those booked with the override hours are not asked about hours. A staff view: revoked from PUBLIC. Errors: P0002 unknown shop; 22004.';

CREATE FUNCTION ensure_user(email text, name text DEFAULT NULL, phone text DEFAULT NULL) RETURNS bigint
AS 'MODULE_PATHNAME', 'booking_ensure_user' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION ensure_user(text, text, text) IS
'The id of the active user with that address (case does not matter), made if missing; an existing user''s name and phone stay as they are.
Safe when called twice at once. Errors: 22004 NULL email; 22023 not an address.';

-- ---------------------------------------------------------------------------
-- Trigger functions
-- ---------------------------------------------------------------------------

CREATE FUNCTION guard_before() RETURNS trigger
AS 'MODULE_PATHNAME', 'booking_guard_before' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION guard_before() IS
'Row trigger of appointments: fills in defaults, refuses a status change that is not allowed (SL009) and an overlap (23P01).';

CREATE FUNCTION guard_after() RETURNS trigger
AS 'MODULE_PATHNAME', 'booking_guard_after' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION guard_after() IS
'Row trigger of appointments: makes sure, under the barber''s lock, that the row which was really stored overlaps no other (23P01).';

CREATE FUNCTION appointment_changed() RETURNS trigger
AS 'MODULE_PATHNAME', 'booking_appointment_changed' LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION appointment_changed() IS
'Row trigger of appointments: keeps every update and deletion in appointment_history, with booking.actor (else the session''s role) as changed_by.';

CREATE FUNCTION check_steps() RETURNS trigger
AS 'MODULE_PATHNAME', 'booking_check_steps' LANGUAGE C VOLATILE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION check_steps() IS
'Row trigger of services and service_steps: refuses steps for a service with a capacity above 1 (23514).';

CREATE FUNCTION configuration_changed() RETURNS trigger
AS 'MODULE_PATHNAME', 'booking_configuration_changed' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION configuration_changed() IS
'Statement trigger of the configuration tables: makes every backend read them again once the change is committed.';

CREATE FUNCTION check_time_zone() RETURNS trigger
AS 'MODULE_PATHNAME', 'booking_check_time_zone' LANGUAGE C VOLATILE;
COMMENT ON FUNCTION check_time_zone() IS
'Row trigger of shops: refuses a time zone that the server does not know (22023).';

-- ---------------------------------------------------------------------------
-- Privileges: EXECUTE, and USAGE on the schema, are the gate
-- ---------------------------------------------------------------------------

REVOKE ALL ON FUNCTION
	setup(regrole),
	get_barber_availability(bigint, date),
	user_appointments(bigint, boolean),
	appointments_at_risk(bigint),
	book_slot(bigint, bigint, bigint, timestamptz, text, text[]),
	try_book_slot(bigint, bigint, bigint, timestamptz, text, text[]),
	hold_slot(bigint, bigint, bigint, timestamptz, interval, text, text[]),
	book_visit(bigint, visit_item[], text, text[]),
	book_series(bigint, bigint, bigint, timestamptz, interval, int, text, text[]),
	confirm_appointment(bigint, int),
	decline_appointment(bigint, text, int),
	cancel_appointment(bigint, text, text, int),
	reschedule_appointment(bigint, timestamptz, bigint, bigint, int, text[]),
	check_in(bigint, int),
	complete_appointment(bigint, int),
	mark_no_show(bigint, int),
	expire_holds(),
	join_waitlist(bigint, bigint, timestamptz, timestamptz, bigint),
	leave_waitlist(bigint),
	ensure_user(text, text, text)
FROM PUBLIC;
