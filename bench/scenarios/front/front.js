// front.js: what the contestants share: questions, requests at the same time, and a
// log in pgbench's format.
'use strict';
const fs = require('fs');
const { Pool } = require('pg');

const clients = Number(process.env.CLIENTS || 8);
const seconds = Number(process.env.SECONDS || 1);
const barbers = Number(process.env.BARBERS);
const today = Number(process.env.TODAY);
let state = Number(process.env.SEED || 1);

exports.pool = new Pool({ host: process.env.PGHOST, max: clients });

// Whole numbers from 0 to below n, the same ones in each run of a round
function random(n) {
	state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
	return Math.floor(state / 2 ** 32 * n);
}

exports.barbers = barbers;
exports.days = Array.from({ length: 29 }, (_, i) =>
	new Date((today + 1 + i) * 86400000).toISOString().slice(0, 10));
exports.serviceOf = (barber) => Math.floor((barber - 1) / 10) * 3 + 1;
// The cache's keys are numbers, as redis-benchmark wants them.
exports.key = (barber, day) =>
	`slots:${String((barber - 1) * exports.days.length + exports.days.indexOf(day)).padStart(12, '0')}`;

function question() {
	const barber = 1 + random(barbers);
	return [exports.serviceOf(barber), barber, exports.days[random(exports.days.length)]];
}

// The slots, as objects, as the front would hand them on
exports.ours = async (service, barber, day) => {
	const result = await exports.pool.query({
		name: 'slots',
		text: 'SELECT * FROM booking.available_slots($1, $2, NULL, $3)',
		values: [service, day, barber],
	});
	return result.rows;
};

async function check(answer) {
	for (let i = 0; i < 200; i++) {
		const asked = question();
		const [mine, theirs] = await Promise.all([exports.ours(...asked), answer(...asked)]);
		if (JSON.stringify(mine) !== JSON.stringify(theirs))
			throw new Error(`another answer than ours for ${asked}: ${JSON.stringify(theirs)}`);
	}
}

async function client(number, answer, until, log) {
	for (let count = 1; ; count++) {
		const began = process.hrtime.bigint();
		await answer(...question());
		const ended = Date.now();
		const us = (process.hrtime.bigint() - began) / 1000n;
		log.push(`${number} ${count} ${us} 0 ${Math.floor(ended / 1000)} ${ended % 1000 * 1000}\n`);
		if (ended >= until)
			return;
	}
}

// Checks an answer against ours, which warms it up, too, then asks by so many
// clients at a time for so many seconds.
exports.run = async (answer, end) => {
	const log = [];
	await check(answer);
	const until = Date.now() + seconds * 1000;
	await Promise.all(Array.from({ length: clients }, (_, i) => client(i, answer, until, log)));
	fs.writeFileSync(process.env.LOG, log.join(''));
	await exports.pool.end();
	if (end)
		await end();
};
