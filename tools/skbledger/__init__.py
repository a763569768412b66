# SPDX-License-Identifier: GPL-2.0
"""
What tools/skb-ledger is made of: destructors and program (what runs in the kernel), bpf (running
it), books (what it has found), owners (who that is), views (showing it).
"""
