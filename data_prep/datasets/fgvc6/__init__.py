"""iMaterialist Fashion 2019 at FGVC6."""
