"""The weights of a module, by the names that checkpoints give them."""

import collections

import tensorflow as tf


def variables_by_path(module) -> dict[str, tf.Variable]:
    """The weights of a module by their way in the object graph, as checkpoints name them.

    Unlike the order of `module.variables`, it does not depend on which layers are trainable.
    """
    view = tf.train.TrackableView(module)
    found, waiting, seen = {}, collections.deque([("", module)]), {id(module)}
    while waiting:
        path, parent = waiting.popleft()
        for name, child in view.children(parent).items():
            if id(child) in seen:
                continue
            seen.add(id(child))
            if isinstance(child, tf.Variable):
                found[f"{path}{name}"] = child
            else:
                waiting.append((f"{path}{name}/", child))
    return found
