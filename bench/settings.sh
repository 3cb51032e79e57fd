# settings.sh: reads what scenarios/NAME/settings says; to be sourced.
#
# shellcheck shell=bash
# shellcheck disable=SC2034,SC2030,SC2031 # the settings are for the caller

scenarios=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/scenarios

scenario_names() {
	local file
	for file in "$scenarios"/*/settings; do
		file=${file%/settings}
		printf '%s\n' "${file##*/}"
	done
}

# NAME COMMAND...: runs a command, in a subshell, with the scenario's settings.
with_settings() (
	scenario=$1
	title="" kind="" contestants="" directory=$1 sessions=${clients:-8}
	synchronous_commit=on seconds_factor=1 check_answers=0 floors=""
	writes="" tries_per_booking=0 patience=5s by_default=yes in_quick=yes
	local -A targets=() p99_targets=() table=() options=() server_options=()
	# shellcheck source=/dev/null
	. "$scenarios/$scenario/settings"
	[ -n "$writes" ] || writes=$(is_loop && echo no || echo yes)
	shift
	"$@"
)

# Is it measured in one backend, as time a call?
is_loop() {
	[[ $kind == loop || $kind == tracked ]]
}

# Does the word occur in the list?
among() {
	[[ " $2 " == *" $1 "* ]]
}

# The hooks that a scenario may have; these are for those that have none.
before_scenario() { :; }
before_contestant() { :; }
variables() { :; }
after_contestant() { :; }
after_scenario() { :; }
