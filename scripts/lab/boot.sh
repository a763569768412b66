# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Step "boot": what QEMU is given to boot. Needs "stock".
#
# vmlinux is the payload of Debian's vmlinuz, byte for byte: QEMU enters it by PVH, and an emulated
# CPU is spared the decompression, a third of the way to user space. The initramfs serves both
# kernels; it has the modules that the stock kernel needs before it can see the root, decompressed
# for the same reason.

boot_modules=(virtio_blk erofs overlay 9p 9pnet_virtio virtio_net)

boot_inputs() {
	info_of "$(step_path debs)" version
	cat "$(step_path root)/toolchain" "$lab_dir/boot.sh" "$lab_dir/boot-make" "$lab_dir/init"
}

boot_make() {
	local work=$1 debs release modules
	debs=$(step_path debs)
	release=$(info_of "$debs" release)
	modules=$(step_path stock)/modules/lib/modules/$release
	mkdir -p "$work/tree/initramfs"
	cp "$debs/tree/usr/lib/modules/$release/vmlinuz.unsigned" "$work/tree/vmlinuz"
	cp "$lab_dir/init" "$work/tree/initramfs/init"
	lab_chroot --bind "$(step_path source)/tree" /lab/source --bind-rw "$work/tree" /lab/boot \
		--bind "$modules" "/usr/lib/modules/$release" \
		--bind "$lab_dir" /lab/step -- \
		sh /lab/step/boot-make "$release" "${boot_modules[@]}"
	rm -r "$work/tree/initramfs"
	printf 'release=%s\n' "$release" >>"$work/info"
}
