"""Figures as plain data: built from signals' frames, drawn by live_chart."""
