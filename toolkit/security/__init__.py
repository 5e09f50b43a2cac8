"""Attacks on an API and what its answers must be like.

``payloads``: texts by class, with where the class is described; ``answers``: a safe status and nothing given
away; ``access``: who may do what, and that nobody else may.
"""
