# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck disable=SC2034 # who sources it uses what is set here
#
# Places, messages and small helpers that every part of the lab shares.

lab_dir=$(dirname "$(readlink -f "${BASH_SOURCE[0]}")")
checkout=$(readlink -f "$lab_dir/../..")
if [[ -z ${WREN_CACHE:-}${XDG_CACHE_HOME:-}${HOME:-} ]]; then
	echo 'lab: HOME is not set, and neither is WREN_CACHE: where shall the lab be?' >&2
	exit 1
fi
cache=${WREN_CACHE:-${XDG_CACHE_HOME:-${HOME:-}/.cache}/wren}
[[ $cache == /* ]] || cache=$PWD/$cache

# What the lab is made of.
suite=trixie
series=7.3

say() {
	printf 'lab: %s\n' "$*" >&2
}

die() {
	say "$*"
	exit 1
}

# In a recipe: says in a sentence why the step cannot be made. It is what the person sees first.
fail() {
	printf '%s\n' "$*" | tee "${step_work:+$step_work/reason}" >&2
	exit 1
}

# In a recipe: something that the person should know about a step that went well.
note() {
	printf '%s\n' "$*" | tee "$step_work/note"
}

# The short name of a set of inputs: what stands on standard input, comments left out.
hash_inputs() {
	sed -e '/^[[:space:]]*#/d' -e '/^[[:space:]]*$/d' | sha256sum | cut -c1-12
}

package_list() {
	sed -e 's/#.*//' "$lab_dir/packages" | xargs -n 1 | sort
}

# A line "name=value" of a finished step.
info_of() {
	sed -n "s/^$2=//p" "$1/info" 2>/dev/null
}

# Runs a command as root of a mount namespace of its own, so that no mount is ever seen outside of
# it. Somebody who is not root gets a user namespace, where the range of /etc/subuid stands for the
# other users of the tree. With replace=exec this shell becomes the command.
as_root() {
	local user=()
	[[ $EUID -eq 0 ]] || user=(--user --map-root-user --map-auto)
	${replace:-} unshare "${user[@]}" --mount --propagation private -- "$@"
}

# Deletes trees of the cache: their files may belong to other users of the namespace.
remove_trees() {
	[[ $# -eq 0 ]] || as_root rm -rf --one-file-system -- "$@"
}
