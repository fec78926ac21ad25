"""What the reasons in prep_report.json mean, in a sentence for whoever looks at the data set."""

EXPLANATIONS = {
    # photos left out
    "photo_missing": "The raw files name the photo but do not hold it.",
    "photo_unreadable": "The photo's bytes are damaged or cut short.",
    "photo_is_heic": "The photo is HEIC inside, whatever its name says; convert it to JPEG.",
    "photo_is_web_page": "The file is a web page, as a server gives in place of a photo.",
    "photo_is_empty_file": "The photo's file has no bytes.",
    "photo_too_large": "The photo has more pixels, or its file more bytes, than can be worked on "
    "safely.",
    "photo_height_and_width_swapped": "The annotations say the photo's height is its width and the "
    "other way round.",
    "entry_of_the_same_photo_merged": "The photo is listed twice under different ids; its "
    "annotations are together in one example.",
    "photo_size_differs": "The photo has another size than its annotations say, so the masks "
    "cannot be trusted.",
    "no_annotations": "The raw files have no annotation of the photo; as an example without "
    "instances it would teach that there is nothing to find.",
    "no_usable_annotation": "None of the photo's annotations could be used.",
    "not_in_photos_table": "PaperDoll's table does not say which post the photo is of, so that it "
    "might be of the same outfit as a photo in another split.",
    "repeated_in_json": "The photo is listed more than once; the first entry is used.",
    "also_in_train_json": "The photo is in the annotated file as well; it is used there.",
    "also_in_train_csv": "The photo is among the annotated ones as well; it is used there.",
    "rows_differ_in_size": "The photo's rows say different sizes of it, so that its masks cannot "
    "be trusted.",
    "photo_name_outside_folder": "The photo's name leads out of the photos' folder.",
    "mask_missing": "There is no mask of the photo.",
    "mask_unreadable": "The mask's file is damaged.",
    "no_product_found": "Nobody found a product in the photo; it would teach that there is none.",
    "all_annotations_left_out_on_purpose": "All of its annotations were rejected, or are of "
    "categories that this data set leaves out.",
    "mask_not_good": "The automatic mask is not called good, and nobody has accepted it.",
    "rejected_in_review": "Whoever looked at the mask rejected it.",
    "no_prediction": "The model found nothing in the photo, or was not run on it.",
    "no_confident_prediction": "The model was sure of nothing in the photo.",
    "something_tagged_was_not_found": "The tags name something that the model did not find, not "
    "even unsurely; training would take it for background.",
    "photo_has_labels_already": "The photo is labelled in the data set to be mixed with.",
    "not_reviewed": "Nobody has accepted or rejected the photo yet.",
    "review_begun_but_not_accepted": "Somebody changed the photo's garments, but has not accepted "
    "it yet.",
    # annotations dropped
    "prediction_below_unsure_score": "The prediction's score is so low that it counts for nothing.",
    "prediction_of_the_same_garment_again": "A better scored prediction of the same category has "
    "half of its mask or more.",
    "malformed_row": "The row of the csv cannot be read.",
    "mask_without_photo": "There is no photo of the mask.",
    "photo_left_out": "Annotations of the photos that were left out.",
    "image_not_in_json": "The annotation is of a photo that the file does not list.",
    "unknown_category": "The annotation's category is not one of the data set's.",
    "category_left_out": "The category has no counterpart among those of this data set.",
    "polygon_of_shares": "The polygon lies within the photo's first pixel: shares of its sides.",
    "no_polygon_of_3_points": "No polygon of the annotation encloses anything.",
    "malformed_polygon": "A polygon has an odd number of values, something that is no number, or "
    "points far outside the photo.",
    "no_mask": "The annotation has no mask, at most a box; Mask R-CNN learns masks.",
    "rle_height_and_width_swapped": "The mask's run lengths say [width, height], COCO's order is "
    "[height, width]; which way they run cannot be known.",
    "malformed_rle": "The mask's run lengths are not what they should be.",
    "rle_of_another_size": "The mask was drawn for a photo of another size.",
    "rle_of_too_few_pixels": "The mask's run lengths do not cover the photo.",
    "mask_of_another_size": "The mask picture has another size than the photo.",
    "segmentation_of_unknown_form": "The mask is neither polygons nor run lengths.",
    "empty_mask": "The mask covers no pixel.",
    "labels_unreadable": "The file of the pixels' labels is missing or damaged.",
    "labels_malformed": "The label picture has labels that the list of labels does not know.",
    "under_60_pixels": "The label covers fewer than 60 pixels: a slip of the labelling.",
    "empty_mask_at_this_size": "The mask covers no pixel of the photo as it was shrunk.",
    "duplicate_merged": "The same mask twice in one category: one instance.",
    # put right or noticed
    "photo_corrected_in_review": "A person accepted the photo with other garments than were "
    "predicted.",
    "prediction_is_unsure": "The prediction's score is too low for an instance; what it covers is "
    "passed over in training.",
    "prediction_of_what_the_tags_do_not_name": "The model is sure, but the photo's tags do not "
    "name the category; what it covers is passed over in training.",
    "prediction_contradicted_by_a_better_one": "A better scored prediction of another category has "
    "the same pixels; what it covers beside them is passed over in training.",
    "box_of_another_instance": "The raw box has its mask's size but lies elsewhere, as with pairs "
    "of shoes. Boxes here are taken from the masks, so they are right.",
    "crowd_that_training_passes_over": "iscrowd is 1: COCO's region of a group. Neither training "
    "nor evaluation counts it. Drawing tools mark brush masks so: --crowds=instances.",
    "crowd_taken_as_an_instance": "iscrowd is 1, and --crowds=instances says it is a garment.",
    "photo_with_an_unsure_mask": "The automatic mask's confidence is low, and nobody has accepted "
    "it; --only_good leaves such photos out.",
    "photo_found_by_another_name": "The raw file's name of the photo is no file; one photo alone "
    "fits it.",
    "polygon_under_3_points": "Polygons of fewer than three points were dropped, the rest of the "
    "instance kept.",
    "clipped_to_photo": "The mask reached past the photo's edge and was cut off there.",
    "label_picture_resized": "The label picture was of another size than its photo and was scaled "
    "to it.",
    "photo_resized": "The photo and its masks were shrunk to the longest side asked for.",
    "photo_rotated_as_exif_says": "The camera's orientation was applied to the pixels.",
    "photo_exif_rotation_removed": "The masks are drawn on the stored pixels, so the camera's "
    "orientation was removed.",
    "photo_stray_markers_reencoded": "The JPEG has stray markers that training's decoder refuses; "
    "it was encoded anew.",
    "photo_grey_to_rgb_jpeg": "A grey-level photo was made RGB.",
    "photo_cmyk_to_rgb_jpeg": "A photo in printing colours was made RGB.",
    "photo_16_bit_to_rgb_jpeg": "A photo of 16 bits a channel was made RGB of 8.",
    "photo_alpha_to_rgb_jpeg": "A transparent photo was laid on white.",
    "photo_png_to_rgb_jpeg": "A PNG was encoded as JPEG.",
    "photo_avif_to_rgb_jpeg": "An AVIF photo was encoded as JPEG.",
}


def in_words(reason: str) -> str:
    """The reason as a heading."""
    return reason.replace("_", " ")
