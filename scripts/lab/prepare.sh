# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# What has to be there before anything can be made.

# Marks the cache as used until this process and all that it starts have ended; "lab clean" looks
# at it.
use_cache() {
	exec {use_fd}>>"$cache/lock/use"
	flock -s "$use_fd"
}

open_cache() {
	mkdir -p "$cache"/{log,lock,times,tmp} ||
		die "cannot make a directory for the lab in $cache; WREN_CACHE names another place"
	use_cache
	if ! step_done root || ! step_done debs; then
		prepare_host
	fi
	remove_stale
}

# Debian packages that the host lacks. Keys of the suite come with a new enough keyring.
missing_packages() {
	command -v mmdebstrap >/dev/null || echo mmdebstrap
	compgen -G "/usr/share/keyrings/debian-archive-$suite-automatic.*" >/dev/null ||
		echo debian-archive-keyring
	[[ $EUID -eq 0 ]] || command -v newuidmap >/dev/null || echo uidmap
}

prepare_host() {
	command -v apt-get >/dev/null ||
		die "the lab needs a Debian machine (12 or 13): there is no apt-get here"
	[[ $(dpkg --print-architecture) == amd64 ]] ||
		die "the lab needs an amd64 machine; this one is $(dpkg --print-architecture)"
	local free packages
	free=$(df --output=avail -BM "$cache" | tail -1 | tr -dc 0-9)
	((free > 12000)) || die "$cache has $free MB free and the lab needs 12000;" \
		"WREN_CACHE names another place"

	mapfile -t packages < <(missing_packages)
	if ((${#packages[@]})); then
		[[ $EUID -eq 0 ]] ||
			die "packages are missing. As root: apt-get install ${packages[*]}"
		install_packages "${packages[@]}"
	fi
	[[ $EUID -eq 0 ]] || check_user_namespace
}

install_packages() {
	local log
	log=$(step_log packages)
	say "installing $* with apt-get"
	export DEBIAN_FRONTEND=noninteractive
	# Without package lists (a fresh container), or with old ones, the first attempt fails.
	{
		apt-get install -y --no-install-recommends "$@" ||
			{ apt-get update && apt-get install -y --no-install-recommends "$@"; }
	} >"$log" 2>&1 </dev/null || {
		tail -n 20 "$log" | sed 's/^/  | /' >&2
		die "apt-get could not install $*; full log: $log"
	}
	[[ -z $(missing_packages) ]] || die "$* were installed, but these are still missing or" \
		"too old for $suite: $(missing_packages | xargs)"
}

check_user_namespace() {
	local answer
	answer=$(unshare --user --map-root-user --map-auto --mount true 2>&1) ||
		die "without root the lab needs user namespaces, and a range of ids for $(id -un)" \
			"in /etc/subuid and /etc/subgid; unshare says: $answer"
}
