"""ModaNet and FGVC6 as one data set, with product photos if there are any."""

RAW_PATH_FLAGS = {
    "fgvc6_dir": "The folder that holds FGVC6's train.csv.",
    "product_dir": "Product photos with masks, in a form that the data set product takes.",
}
