# scripts.sh: runs a contestant's script by many clients; sourced by measure.
#
# pgbench runs NAME.sql, with common.sql put before it; nodejs runs NAME.js.  Both
# leave a log in pgbench's format, from which the latencies and the numbers of
# transactions come.
#
# shellcheck shell=bash
# shellcheck disable=SC2154 # the settings are the caller's

# The table a contestant writes to
table_of() {
	if [ -n "${table[$1]:-}" ]; then
		echo "${table[$1]}"
	else
		case $1 in
		ours*) echo booking.appointments ;;
		exclusion*) echo bench.exclusion ;;
		*) echo bench.unguarded ;;
		esac
	fi
}

# A backend reports its deadlocks when it ends, which may be after its client.
deadlocks() {
	while [ "$(sql -c "SELECT count(*) FROM pg_stat_activity
			WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()")" != 0 ]; do
		sleep 0.05
	done
	sql -c "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
}

# How many said that they waited in vain since this was last asked
given_up() {
	sql -c "SELECT nextval('bench.given_up'), setval('bench.given_up', 0, false)" | cut -d '|' -f 1
}

# CONTESTANT ROUND: prints the variables of a run, NAME=VALUE.  Each run has a
# number, a stretch of the future (from base on, UTC) and a chair that it shares
# with none; all of the chair's future, from chair_base on, is its own.
run_variables() {
	sql -F ' ' -v runs="$runs" -v barbers="$barbers" <<-'END'
		SELECT 'run=' || run,
			'today=' || today - date '1970-01-01',
			'base=' || extract(epoch FROM today + 40 + 3500 / :runs * run::int)::bigint,
			'chair=' || :barbers + 1 + run,
			'chair_base=' || extract(epoch FROM today + 40)::bigint
		FROM bench.numbers, nextval('bench.runs') AS run;
	END
	printf '%s\n' "clients=$sessions" "barbers=$barbers" "try=0"
	variables "$@"
}

# CONTESTANT: the text of its script
script_of() {
	local common=$scenarios/$directory/common.sql
	[ ! -f "$common" ] || cat "$common"
	cat "$scenarios/$directory/$1.sql"
}

# Both run a script with the variables in words; their output is the report.
run_pgbench() {
	local -a settings=()
	local word
	read -r -a settings <<<"${options[$1]:-}"
	for word in "${words[@]}"; do
		settings+=(-D "$word")
	done
	pgbench -n -M prepared -c "$sessions" -j 2 -T "$duration" --random-seed="$2" "${settings[@]}" \
		--log --log-prefix="$logs/log" \
		-f <(script_of "$1") 2>&1
}

run_node() {
	local -a settings=()
	local word name
	for word in "${words[@]}"; do
		name=${word%%=*}
		settings+=("${name^^}=${word#*=}")
	done
	env "${settings[@]}" CLIENTS="$sessions" SECONDS="$duration" SEED="$2" LOG="$logs/log" \
		NODE_PATH="$node_path" timeout $((duration + 60)) nodejs "$scenarios/$directory/$1.js" 2>&1
}

# Reads the logs: prints how many transactions went well and how many failed, how
# many of the former there were a second, and their latencies.  What begins in the
# first quarter of a run is in neither: new sessions fill their caches then.
read_logs() {
	find "$logs" -type f -exec cat {} + | sort -n -k 3,3 | awk -v seconds="$duration" '
		function percentile(p) {
			p *= counted
			return counted ? latency[p == int(p) ? p : int(p) + 1] : "NULL"
		}
		$3 !~ /^[0-9.]+$/ {
			bad++
			next
		}
		{
			all[++good] = $3
			ended = $5 + $6 / 1e6
			began[good] = ended - $3 / 1e6
			if (good == 1 || began[good] < first)
				first = began[good]
			if (good == 1 || ended > last)
				last = ended
		}
		END {
			first += seconds / 4
			for (i = 1; i <= good; i++)
				if (began[i] >= first)
					latency[++counted] = all[i]
			tps = (last > first) ? counted / (last - first) : 0
			print good + 0, bad + 0, tps, percentile(0.5), percentile(0.95), percentile(0.99), percentile(1)
		}'
}

# CONTESTANT: a peer's clients may give up, or fall to the deadlock detector; that
# a script does not run at all is always wrong, and ours must never fail.
check_report() {
	if [ "$good" -eq 0 ] || { [ "$kind" = node ] && [ "$status" -ne 0 ]; } ||
		{ [[ $1 = ours* ]] && [ $((bad + aborted)) -gt 0 ]; }; then
		printf '%s\n' "$report"
		fault "$scenario" "$1" "the script failed (above)"
	fi
}

# CONTESTANT ROUND: one run, recorded.
script_once() {
	local logs words report status=0 good bad aborted tps p50 p95 p99 max duration=$((seconds * seconds_factor))
	local before deadlocks_before gave_up booked=NULL double_booked=NULL
	words=$(run_variables "$@")
	mapfile -t words < <(tr -s ' ' '\n' <<<"$words")
	[ "$writes" = no ] || before=$(sql -c "SELECT coalesce(max(id), 0) FROM $(table_of "$1")")
	deadlocks_before=$(deadlocks)
	logs=$(mktemp -d -p "$HOME")
	report=$(PGOPTIONS="-c statement_timeout=$patience -c synchronous_commit=$synchronous_commit ${server_options[$1]:-}" \
		"run_$kind" "$@") || status=$?
	read -r good bad tps p50 p95 p99 max < <(read_logs)
	rm -r "$logs"
	aborted=$(grep -c -E "client [0-9]+ .*aborted" <<<"$report" || true)
	check_report "$1"
	gave_up=$(given_up)
	if [ "$writes" = yes ]; then
		read -r booked double_booked < <(sql -F ' ' -c "SELECT * FROM bench.count_booked('$(table_of "$1")', $before)")
	fi
	after_contestant "$@"
	record "$1" "$2" "${tps:-0}" "transactions=$((good + bad + aborted))" "failed=$((bad + aborted + gave_up))" \
		"booked=$booked" "double_booked=$double_booked" "deadlocks=$(($(deadlocks) - deadlocks_before))" \
		"gave_up=$((gave_up + $(grep -c "canceling statement due to statement timeout" <<<"$report" || true)))" \
		"p50_us=$p50" "p95_us=$p95" "p99_us=$p99" "max_us=$max"
}

# Free time that is asked for gets booked, by one of so many tries, unless the
# contestant's clients got into each other's way.
check_bookings() {
	local contestant missing
	while IFS='|' read -r contestant missing; do
		fault "$scenario" "$contestant" "$missing bookings of free time are missing"
	done < <(sql -v scenario="$scenario" -v tries="$tries_per_booking" <<-'END'
		SELECT contestant, sum(transactions / :tries - booked)
		FROM bench.results
		WHERE scenario = :'scenario' AND failed = 0 AND deadlocks = 0 AND transactions / :tries > booked
		GROUP BY contestant;
	END
	)
}
