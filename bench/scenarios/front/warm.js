// Puts every answer into redis, as JSON.
'use strict';
const { createClient } = require('redis');
const front = require('./front');

(async () => {
	const redis = createClient({ socket: { path: process.env.REDIS } });
	await redis.connect();
	for (let barber = 1; barber <= front.barbers; barber++)
		await redis.mSet((await Promise.all(front.days.map(async (day) => [
			front.key(barber, day), JSON.stringify(await front.ours(front.serviceOf(barber), barber, day)),
		]))).flat());
	await redis.quit();
	await front.pool.end();
})();
