# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# shellcheck source-path=SCRIPTDIR
#
# The parts that make, or find, what the lab consists of.

source "$lab_dir/chroot.sh"
source "$lab_dir/progress.sh"
source "$lab_dir/steps.sh"
source "$lab_dir/prepare.sh"
source "$lab_dir/mirror.sh"
source "$lab_dir/root.sh"
source "$lab_dir/debs.sh"
source "$lab_dir/source.sh"
source "$lab_dir/image.sh"
source "$lab_dir/stock.sh"
source "$lab_dir/boot.sh"
source "$lab_dir/debug.sh"
source "$lab_dir/check.sh"
source "$lab_dir/beside.sh"
source "$lab_dir/reader.sh"
source "$lab_dir/model.sh"
