"""A model small enough for any test."""


def build():
    """A random Mask R-CNN for 3 categories, 64x96 pixels (stride 32), at most 6 detections."""
    import tensorflow as tf
    import tf_keras
    from official.vision.configs import backbones, decoders, maskrcnn
    from official.vision.modeling import factory

    tf_keras.utils.set_random_seed(1)
    config = maskrcnn.MaskRCNN(
        num_classes=4,
        input_size=[64, 96, 3],
        min_level=3,
        max_level=5,
        backbone=backbones.Backbone(type="resnet", resnet=backbones.ResNet(model_id=10)),
        decoder=decoders.Decoder(type="fpn", fpn=decoders.FPN(num_filters=16)),
        rpn_head=maskrcnn.RPNHead(num_filters=16),
        detection_head=maskrcnn.DetectionHead(num_convs=0, num_fcs=1, fc_dims=32),
        mask_head=maskrcnn.MaskHead(num_convs=1, num_filters=16),
        roi_generator=maskrcnn.ROIGenerator(test_pre_nms_top_k=50, test_num_proposals=20),
        detection_generator=maskrcnn.DetectionGenerator(max_num_detections=6),
    )
    input_specs = tf_keras.layers.InputSpec(shape=[None, 64, 96, 3])
    model = factory.build_maskrcnn(input_specs, config)
    model(tf.zeros([1, 64, 96, 3]), image_shape=tf.constant([[64.0, 96.0]]), training=False)
    # Fresh weights give masks and region scores of 0.5 all over: make them decided.
    for kernel in (model.mask_head._mask_regressor.kernel, model.rpn_head._classifier.kernel):
        kernel.assign(1000 * kernel)
    return model
