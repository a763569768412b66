# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Step "debs": Debian's newest kernel of the series. Downloaded and unpacked with the machine's own
# apt and dpkg, in directories of our own, so that it needs neither root nor the toolchain root and
# can be made beside that step.

debs_inputs() {
	printf '%s\n' "$suite" "$series"
	cat "$lab_dir/debs.sh"
}

# Our own apt: its state in a directory, one mirror, nobody's preferences.
lab_apt() {
	local tool=$1
	shift
	"$tool" -o "Dir::Etc::SourceList=$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
		-o "Dir::State=$apt" -o "Dir::State::status=$apt/status" -o "Dir::Cache=$apt" \
		-o APT::Architecture=amd64 -o APT::Architectures=amd64 \
		-o Acquire::Languages=none -o APT::Sandbox::User=root "$@"
}

versions_of() {
	lab_apt apt-cache madison "$1" | cut -d'|' -f2 | tr -d ' '
}

# Sets mirror, apt, version and release; $1: a directory to work in.
debs_newest() {
	mirror=$(find_mirror "$1") || return
	apt=$1/apt-debs
	mkdir -p "$apt/lists/partial" "$apt/archives/partial"
	: >"$apt/status"
	apt_sources "$mirror" >"$apt/sources.list"
	lab_apt apt-get -o APT::Update::Error-Mode=any update >&2 || return

	local p source=linux-source-$series
	version=$(versions_of "$source" | sort -V | tail -1)
	[[ -n $version ]] || fail "$mirror has no package $source in $suite-backports: Debian has" \
		"moved on. Sources there:" \
		"$(lab_apt apt-cache pkgnames linux-source- | sort -V | xargs)."
	# "7.3.4+deb13-amd64", the newest of the binary packages with the source's version.
	release=
	for p in $(lab_apt apt-cache pkgnames "linux-headers-$series." | grep -E '[0-9]-amd64$' |
		sort -V); do
		! versions_of "$p" | grep -qxF "$version" || release=${p#linux-headers-}
	done
	[[ -n $release ]] || fail "$mirror has $source $version, but no" \
		"linux-headers-$series.*-amd64 of that version (a mirror in the middle of an" \
		"update?)." \
		"Try again later or name another WREN_MIRROR."
	printf 'newest kernel of the series: %s, release %s\n' "$version" "$release" >&2
}

debs_make() {
	local work=$1 mirror apt version release p missing=
	debs_newest "$work"
	note "the newest $series in Debian is $version"

	local packages=("linux-source-$series" "linux-base-$release"
		"linux-binary-unsigned-$release" "linux-headers-$release" "linux-modules-$release")
	for p in "${packages[@]}"; do
		lab_apt apt-cache show "$p=$version" >/dev/null 2>&1 || missing+=" $p"
	done
	[[ -z $missing ]] || fail "$mirror has no version $version of:$missing." \
		"Try again later or name another WREN_MIRROR."

	mkdir "$work/debs" "$work/tree"
	(cd "$work/debs" && lab_apt apt-get download "${packages[@]/%/=$version}")
	for p in "$work"/debs/*.deb; do
		dpkg-deb -x "$p" "$work/tree"
	done
	rm -rf "$work/debs" "$apt"
	printf 'mirror=%s\nversion=%s\nrelease=%s\n' "$mirror" "$version" "$release" >>"$work/info"
}
