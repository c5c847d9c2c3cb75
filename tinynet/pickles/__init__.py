"""Pickles read as data: `machine` carries out their harmless instructions, `arrays` knows NumPy's objects."""
