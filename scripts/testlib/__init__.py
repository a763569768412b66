# SPDX-License-Identifier: GPL-2.0
"""
What scripts/test is made of: programs (what there is to run), vm and lab (running it), results,
contract (what they prove).
"""
