"""Figures and tables of the papers as data, with the cells that contradict the papers themselves marked."""
