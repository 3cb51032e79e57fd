// As an ORM does it: the barber's hours, and the day's appointments with their
// services, both at once; the rest is computed here.  At its best: prepared, no
// model objects, the zone left to the server.  No overrides, no time off.
'use strict';
const front = require('./front');

const hours = `
	SELECT b.id, extract(epoch FROM ($3::date + h.opens) AT TIME ZONE p.time_zone)::float8 AS opens,
		extract(epoch FROM ($3::date + h.closes) AT TIME ZONE p.time_zone)::float8 AS closes,
		p.slot_interval_minutes, coalesce(o.duration_minutes, s.duration_minutes) AS duration_minutes
	FROM booking.barbers b
	JOIN booking.shops p ON p.id = b.shop_id
	JOIN booking.barber_services o ON o.barber_id = b.id
	JOIN booking.services s ON s.id = o.service_id
	JOIN booking.working_hours h ON h.barber_id = b.id
	WHERE b.id = $1 AND s.id = $2 AND b.is_active AND s.is_active AND p.is_active
	AND h.weekday = extract(isodow FROM $3::date)::int
	ORDER BY h.opens`;

const appointments = `
	SELECT a.id, a.starts_at, a.ends_at, a.status, s.name, s.buffer_before_minutes, s.buffer_after_minutes
	FROM booking.appointments a
	JOIN booking.services s ON s.id = a.service_id
	JOIN booking.shops p ON p.id = s.shop_id
	WHERE a.barber_id = $1 AND a.status IN ('pending', 'confirmed', 'checked_in')
	AND a.busy_from >= $2::timestamp AT TIME ZONE p.time_zone
	AND a.busy_from < ($2::date + 1)::timestamp AT TIME ZONE p.time_zone
	AND (a.hold_expires_at IS NULL OR a.hold_expires_at > now())
	ORDER BY a.busy_from`;

function slots(pieces, busy) {
	const found = [];
	const now = Date.now();
	for (const piece of pieces) {
		const duration = piece.duration_minutes * 60000;
		const until = piece.closes * 1000 - duration;
		let next = 0;
		for (let t = piece.opens * 1000; t <= until; t += piece.slot_interval_minutes * 60000) {
			while (next < busy.length && busy[next].ends_at.getTime() <= t)
				next++;
			if (t >= now && (next === busy.length || busy[next].starts_at.getTime() >= t + duration))
				found.push({ barber_id: piece.id, starts_at: new Date(t), ends_at: new Date(t + duration), seats_left: 1 });
		}
	}
	return found;
}

front.run(async (service, barber, day) => {
	const [pieces, busy] = await Promise.all([
		front.pool.query({ name: 'hours', text: hours, values: [barber, service, day] }),
		front.pool.query({ name: 'appointments', text: appointments, values: [barber, day] }),
	]);
	return slots(pieces.rows, busy.rows);
});
