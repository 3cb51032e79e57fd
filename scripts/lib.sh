# lib.sh: what the scripts share.  It is sourced, never run.
#
# The scripts leave the machine's own PostgreSQL alone.  They copy the sources
# into a workspace, make a private copy of the server there (PostgreSQL finds
# its directories relative to its binaries), install into that, and run servers
# that listen on a unix socket in the workspace.  Everything but installing
# packages runs as the "worker", with an environment of its own: as postgres or
# nobody when root calls, as the caller otherwise.
#
# shellcheck shell=bash

scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
top=$(dirname "$scripts")

say() {
	printf '== %s\n' "$*"
}

# Exit status 2 says that the set-up failed, 1 that a test did.
die() {
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 2
}

is_root() {
	[ "$(id -u)" -eq 0 ]
}

have() {
	command -v "$1" >/dev/null 2>&1
}

# Where Debian's packages keep modules of node's, and where scripts/packages puts
# those that cannot be installed.
node_modules=/usr/local/lib/booking-bench
# shellcheck disable=SC2034 # for those who run node
node_path=/usr/share/nodejs:$node_modules/usr/share/nodejs

# ---- PostgreSQL --------------------------------------------------------------

# Can extensions be built with this pg_config, and the server be started?
# (Debian's client package brings PGXS, but not the headers.)
usable_pg_config() {
	local makefile headers bindir
	makefile=$("$1" --pgxs 2>/dev/null) && [ -f "$makefile" ] &&
		headers=$("$1" --includedir-server) && [ -f "$headers/postgres.h" ] &&
		bindir=$("$1" --bindir) && [ -x "$bindir/postgres" ] && [ -x "$bindir/initdb" ]
}

# Prints the pg_config to use: the caller's choice, else the one in the PATH,
# else the newest of Debian's.
find_pg_config() {
	local candidate
	if [ -n "${PG_CONFIG:-}" ]; then
		usable_pg_config "$PG_CONFIG" && printf '%s\n' "$PG_CONFIG"
		return
	fi
	while read -r candidate; do
		if usable_pg_config "$candidate"; then
			printf '%s\n' "$candidate"
			return
		fi
	done < <(
		command -v pg_config
		printf '%s\n' /usr/lib/postgresql/*/bin/pg_config | sort -rV
	)
	return 1
}

# ---- the worker ----------------------------------------------------------------

worker_name() {
	if ! is_root; then
		id -un
	elif id postgres >/dev/null 2>&1; then
		printf 'postgres\n'
	else
		printf 'nobody\n'
	fi
}

# Prints the settings that reach the worker and the matrix, one a line.
passed_on() {
	local name
	for name in "${!BOOKING_@}"; do
		printf '%s=%s\n' "$name" "${!name}"
	done
}

# Runs a command as the worker, from the workspace.
as_worker() {
	local worker become=() settings=()
	mapfile -t settings < <(passed_on)
	worker=$(worker_name)
	if is_root; then
		become=(setpriv --reuid "$worker" --regid "$(id -g "$worker")" --init-groups --)
	fi
	(
		cd "$workspace" || exit 2
		exec "${become[@]}" env -i PATH="$PATH" HOME="$workspace" USER="$worker" LOGNAME="$worker" \
			LC_ALL=C.UTF-8 PG_CONFIG="${PG_CONFIG:-}" "${settings[@]}" "$@"
	)
}

# Makes $1 the workspace: an empty directory of the worker's, with the sources
# in source/.  What a build in the checkout left behind stays there.
fill_workspace() {
	workspace=$1
	chmod 700 "$workspace"
	mkdir "$workspace/source"
	tar -C "$top" -cf - --exclude=./.git --exclude='*.o' --exclude='*.bc' --exclude='*.so' \
		--exclude=./results --exclude=./output_iso --exclude='./tmp_check*' --exclude=./log . |
		tar -C "$workspace/source" -xf - --no-same-owner
	if is_root; then
		chown -R "$(worker_name):" "$workspace"
	fi
	chmod -R u+rwX "$workspace/source"
}

# Gives the worker a file system that a test may fill up, where we may mount
# one; its directory is in BOOKING_SMALL_DISK.
mount_small_disk() {
	local directory=$workspace/small-disk worker
	worker=$(worker_name)
	is_root || return 0
	mkdir "$directory"
	if mount -t tmpfs -o "size=32m,mode=0700,uid=$(id -u "$worker"),gid=$(id -g "$worker")" \
		small-disk "$directory" 2>/dev/null; then
		export BOOKING_SMALL_DISK=$directory
	else
		unset BOOKING_SMALL_DISK
	fi
}

# Builds in the workspace and makes PG_CONFIG that of the private server.
build_in_workspace() {
	local bindir
	bindir=$("$PG_CONFIG" --bindir)
	attend as_worker "$workspace/source/scripts/build" "$workspace/source" "$workspace/postgresql" "$@" || exit 2
	PG_CONFIG=$workspace/postgresql$bindir/pg_config
}

# Stops every server whose data lies in the workspace, those of interrupted
# TAP tests included, and removes the workspace.
discard_workspace() {
	local lockfile pg_ctl
	[ -n "${workspace:-}" ] && [ -d "$workspace" ] || return 0
	pg_ctl=$(find "$workspace/postgresql" -type f -name pg_ctl 2>/dev/null || true)
	while read -r lockfile; do
		as_worker "$pg_ctl" stop -s -m immediate -D "${lockfile%/*}" >/dev/null 2>&1 || true
	done < <(find "$workspace" -name postmaster.pid)
	umount --lazy "$workspace/small-disk" 2>/dev/null || true
	rm -rf "$workspace"
}

# Where quickstart keeps its server.  Not in the checkout, which the worker may
# not be able to read, and not where another user could be first.
quickstart_directory() {
	if [ -n "${BOOKING_QUICKSTART:-}" ]; then
		printf '%s\n' "$BOOKING_QUICKSTART"
	elif is_root; then
		printf '/var/lib/booking-quickstart\n'
	else
		printf '%s/booking-quickstart\n' "${XDG_STATE_HOME:-$HOME/.local/state}"
	fi
}

# ---- jobs ------------------------------------------------------------------------

attended=
# shellcheck disable=SC2034 # for the caller's clean-up
exit_status=0

# Runs a command in a process group of its own and waits for it, so that a
# signal reaches us at once and abandon() can end all of the group.
attend() {
	local status=0
	set -m
	"$@" </dev/null &
	attended=$!
	set +m
	wait "$attended" || status=$?
	attended=
	return "$status"
}

abandon() {
	if [ -n "$attended" ]; then
		kill -TERM -- "-$attended" 2>/dev/null || true
		wait "$attended" 2>/dev/null || true
		attended=
	fi
}

# Ends with the given clean-up, however we end; exit_status is there for it.  A
# second signal does not cut the clean-up short.
on_exit() {
	# shellcheck disable=SC2064 # the name is to be expanded now
	trap "exit_status=\$?; trap '' INT TERM HUP; abandon; $1" EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM HUP
}

# ---- counting ----------------------------------------------------------------------

# Runs a command whose last line is "N passed, M failed", puts a name before
# that line, and adds its numbers to the variables passed and failed.  A command
# that failed without such a line is one failure.
passed=0
failed=0

count() {
	local name=$1 closing log status=0
	shift
	log=$(mktemp)
	attend show_named "$name" "$log" "$@" || status=$?
	closing=$(tail -n 1 "$log")
	rm -f "$log"
	if [[ $closing =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
		passed=$((passed + BASH_REMATCH[1]))
		failed=$((failed + BASH_REMATCH[2]))
		[ "$status" -eq 0 ] || [ "${BASH_REMATCH[2]}" -gt 0 ] || failed=$((failed + 1))
	else
		failed=$((failed + 1))
	fi
}

show_named() {
	local name=$1 log=$2
	shift 2
	set -o pipefail
	"$@" 2>&1 | tee "$log" | sed -u -E "s/^[0-9]+ passed, [0-9]+ failed\$/$name: &/"
}

# The closing line; the status is that of a test run.
print_total() {
	printf '%d passed, %d failed\n' "$passed" "$failed"
	[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
}
