# server.sh: asks the server, and says what it runs on; to be sourced.
#
# shellcheck shell=bash

sql() {
	psql -X -q -A -t -v ON_ERROR_STOP=1 "$@"
}

# The machine, as JSON
machine() {
	local cpu memory
	cpu=$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)
	memory=$(awk '/^MemTotal/ { print int($2 / 1024) }' /proc/meminfo)
	sql -v cpu="${cpu:-$(uname -m)}" -v cores="$(nproc)" -v memory="$memory" -v kernel="$(uname -sr)" <<-'END'
		SELECT jsonb_build_object('cpu', :'cpu', 'cores', :cores, 'memory_mb', :memory, 'kernel', :'kernel');
	END
}
