"""The one figure style: colours a colour-blind reader can tell apart, and text that is legible on a phone.

A figure is drawn 4.8 inches wide and shown at the width of the column: about 330 CSS pixels on a phone.
There 11-point text is still about 10 pixels high, so a drawing function should not set smaller sizes.
"""

from typing import Any

# Okabe and Ito's palette, in the order in which a figure should use it.
BLUE = "#0072B2"
ORANGE = "#E69F00"
GREEN = "#009E73"
RED = "#D55E00"
PURPLE = "#CC79A7"
SKY = "#56B4E9"
GRAY = "#767676"
INK = "#1A1A1A"

WIDTH = 4.8  # inches
PIXELS_PER_INCH = 250  # 1200 pixels across: two for each CSS pixel of a 600-pixel column

RC: Any = {
    "figure.figsize": (WIDTH, 3.2),
    "figure.dpi": PIXELS_PER_INCH,
    "savefig.dpi": PIXELS_PER_INCH,
    "figure.constrained_layout.use": True,
    "font.size": 11.0,
    "axes.titlesize": 11.0,
    "axes.labelsize": 11.0,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "legend.fontsize": 10.5,
    "legend.frameon": False,
    "axes.prop_cycle": f"cycler('color', {[BLUE, ORANGE, GREEN, RED, PURPLE, SKY]})",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.titlelocation": "left",
    "axes.grid": False,
    "grid.color": "#D9D9D9",
    "grid.linewidth": 0.6,
    "lines.linewidth": 1.8,
    "image.cmap": "gray",
    "image.interpolation": "nearest",
}
