# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Which Debian mirror to use: WREN_MIRROR, or the one that this machine's apt uses. apt itself is
# asked, so every way to write a source is understood, and only archives that call themselves
# Debian count.

# URIs of Debian archives that apt knows from its package lists; $@: options for apt.
apt_mirrors() {
	# shellcheck disable=SC2016 # apt's own variables
	apt-get indextargets "$@" --format '$(ORIGIN)|$(CODENAME)|$(REPO_URI)' \
		'Created-By: Packages' 2>/dev/null |
		awk -F'|' '$1 == "Debian" && $2 !~ /-(security|debug)$/ && !seen[$3]++ { print $3 }'
}

# A machine without package lists (a fresh container) gets them in a directory of our own, which
# needs no root.
apt_mirrors_updated() {
	local dir=$1/apt-mirrors
	mkdir -p "$dir/lists/partial" "$dir/archives/partial"
	apt-get -o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir" update >&2 || true
	apt_mirrors -o "Dir::State::lists=$dir/lists" -o "Dir::Cache=$dir"
	rm -rf "$dir"
}

# "mirror+file:" names a file with a list of mirrors; the first is as good as any.
plain_uri() {
	case $1 in
	mirror+file:*) awk '!/^#/ && NF { print $1; exit }' "${1#mirror+file:}" ;;
	*) printf '%s\n' "$1" ;;
	esac
}

carries_suite() {
	local release=$2/Release.probe
	/usr/lib/apt/apt-helper download-file "${1%/}/dists/$suite/Release" "$release" >&2 || return
	grep -qx 'Origin: Debian' "$release" && grep -qx "Codename: $suite" "$release"
}

# Prints the mirror; $1: a directory to work in.
find_mirror() {
	local work=$1 uri candidates tried=
	if [[ -n ${WREN_MIRROR:-} ]]; then
		carries_suite "$WREN_MIRROR" "$work" ||
			fail "WREN_MIRROR=$WREN_MIRROR is not a Debian mirror that carries" \
				"$suite, or it cannot be reached."
		printf '%s\n' "${WREN_MIRROR%/}"
		return
	fi
	candidates=$(apt_mirrors)
	[[ -n $candidates ]] || candidates=$(apt_mirrors_updated "$work")
	while read -r uri; do
		[[ -n $uri ]] || continue
		uri=$(plain_uri "$uri")
		if carries_suite "$uri" "$work"; then
			printf '%s\n' "${uri%/}"
			return
		fi
		tried+=" $uri"
	done <<<"$candidates"
	fail "No Debian mirror with $suite could be reached by this machine's apt configuration" \
		"(tried:${tried:- none}). Name one:" \
		"WREN_MIRROR=<address of a Debian mirror> make lab"
}

# The lab's apt sources; $1: the mirror.
apt_sources() {
	local keyring=/usr/share/keyrings/debian-archive-keyring.gpg s
	[[ -e $keyring ]] || keyring=${keyring%.gpg}.pgp
	for s in "$suite" "$suite-updates" "$suite-backports"; do
		printf 'deb [arch=amd64 signed-by=%s] %s %s main\n' "$keyring" "$1" "$s"
	done
}
