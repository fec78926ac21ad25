"""Clothing Co-Parsing: 1,004 street photos with a label for every pixel, 1,094 with tags."""

CHOICE_FLAGS = {
    "categories": (
        ("modanet", "own"),
        "ccp: ModaNet's 13 categories, or its own 52 garment labels (datasets/ccp/labels.csv).",
    )
}
