"""From which confidence on an automatic mask is called good; the masks' makers and readers agree.

Below it a mask is for a person to look at: `data_prep.review`.
"""

GOOD = 0.65
