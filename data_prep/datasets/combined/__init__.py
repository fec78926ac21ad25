"""ModaNet, FGVC6, Clothing Co-Parsing and product photos as one data set: those there are."""

RAW_PATH_FLAGS = {
    "fgvc6_dir": "The folder that holds FGVC6's train.csv.",
    "ccp_dir": "The folder that holds Clothing Co-Parsing's photos/ and annotations/.",
    "product_dir": "Product photos with masks, in a form that the data set product takes.",
}
