# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Step "model": cargo, and the crates that "make model" needs (tests/model/Cargo.lock); the compiler
# is that of the root. Made only when it is asked for. Needs "root".

model_inputs() {
	basename "$(step_path root)"
	cat "$lab_dir/model.sh" "$lab_dir/beside.sh" "$checkout/tests/model/Cargo.lock"
}

# The registry is the one that cargo is set up with on this machine.
model_make() {
	local work=$1 config=() given
	mkdir "$work/tree" "$work/config"
	unpack_beside_root "$work" cargo
	given=${CARGO_HOME:-${HOME:-}/.cargo}/config.toml
	if [[ -f $given ]]; then
		cp "$given" "$work/config/"
		config=(--config /lab/config/config.toml)
	fi
	# Only what is in the lock file, with the checksums that stand there.
	lab_chroot --bind-rw "$work/tree" /lab/model --bind "$checkout/tests/model" /lab/step \
		--bind "$work/config" /lab/config -- \
		env PATH=/lab/model/usr/bin:/usr/bin:/bin \
		LD_LIBRARY_PATH=/lab/model/usr/lib/x86_64-linux-gnu \
		CARGO_HTTP_CAINFO=/etc/ssl/certs/ca-certificates.crt \
		cargo "${config[@]}" vendor --locked --manifest-path /lab/step/Cargo.toml \
		/lab/model/vendor ||
		fail "cargo could not get the crates of tests/model/Cargo.lock, which only" \
			"\"make model\" needs. The log says why."
	rm -rf "$work/config"
}
