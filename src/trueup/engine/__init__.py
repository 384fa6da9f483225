"""The walk: fetch, discover, render, plan, guard, apply, observe, report. One file is one station; ``reconcile`` knows their order."""
