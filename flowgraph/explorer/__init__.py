"""The explorer: orders, lumps and derivations, live in the browser and in notebooks.

``session`` is a pure state machine; ``protocol`` answers requests about it in JSON; ``server`` and ``widget`` carry
these to the one front end in ``static``.
"""
