"""Drawings of flow graphs: one layout, one ``Scene``, several writers, and the figures."""

from flowgraph.draw.figures import FIGURES, figure, panels
from flowgraph.draw.layout import LayoutOptions
from flowgraph.draw.lumped import draw_lumps
from flowgraph.draw.scene import Scene
from flowgraph.draw.sequence import draw_sequence
from flowgraph.draw.writers import FORMATS, draw_graph, render, render_graph, write, write_graph

__all__ = [
    "FIGURES",
    "FORMATS",
    "LayoutOptions",
    "Scene",
    "draw_graph",
    "draw_lumps",
    "draw_sequence",
    "figure",
    "panels",
    "render",
    "render_graph",
    "write",
    "write_graph",
]
