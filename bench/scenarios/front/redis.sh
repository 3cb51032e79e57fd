# redis.sh: a cache that has every answer and is never stale; to be sourced by the
# settings of scenarios that compare with one.
#
# shellcheck shell=bash
# shellcheck disable=SC2154 # the settings are the caller's

# Starts it on the socket $REDIS, and fills it.
start_redis() {
	export REDIS=$HOME/redis
	redis-server --port 0 --unixsocket "$REDIS" --save "" --appendonly no --logfile "$REDIS.log" &
	redis=$!
	env BARBERS="$barbers" TODAY="$(sql -c "SELECT today - date '1970-01-01' FROM bench.numbers")" \
		NODE_PATH="$node_path" nodejs "$scenarios/front/warm.js"
}

stop_redis() {
	[ -z "${redis:-}" ] || kill "$redis"
	wait
}
