// A cache that always has the answer, and never a stale one.
'use strict';
const { createClient } = require('redis');
const front = require('./front');

const redis = createClient({ socket: { path: process.env.REDIS } });

(async () => {
	await redis.connect();
	await front.run(async (service, barber, day) => JSON.parse(await redis.get(front.key(barber, day))), () => redis.quit());
})();
