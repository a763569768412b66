# SPDX-License-Identifier: GPL-2.0
"""What scripts/bench is made of: suite (what is measured), table (what came of it)."""
