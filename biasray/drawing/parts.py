"""What a face is made of; a mask has the place of its part in PARTS."""

PARTS = (
    "background", "clothes", "skin", "hair", "beard", "wrinkles", "nose", "mouth", "eyes", "brows", "glasses", "hat",
)  # fmt: skip
PART = {name: i for i, name in enumerate(PARTS)}
