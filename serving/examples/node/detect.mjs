// Asks a server for the garments in photos.
//
//   npm install && node detect.mjs localhost:8500 fashion photo.jpg ...
//
// Prints one line of json per photo: {"photo", "ok", "error", "width", "height", "garments": [
// {"name", "score", "box": [left, top, right, bottom], "mask_rle"}]}, in the photo's own pixels.
// mask_rle is COCO's compressed run-length code at the photo's full size. Works with serving.server
// and with TensorFlow Serving. Exit code 1 where a photo or the request failed.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import grpc from '@grpc/grpc-js';
import protobuf from 'protobufjs';

const PREDICT = '/tensorflow.serving.PredictionService/Predict';
const DEADLINE_MS = 60_000;
const DT = { FLOAT: 1, INT32: 3, STRING: 7, BOOL: 10 };

const proto = new protobuf.Root();
proto.loadSync(fileURLToPath(new URL('../../protocol/tf_serving.proto', import.meta.url)), { keepCase: true });
const PredictRequest = proto.lookupType('fashion.tf_serving.PredictRequest');
const PredictResponse = proto.lookupType('fashion.tf_serving.PredictResponse');

/** Reads a TensorProto's values, flat; servers put numbers in tensor_content or in *_val. */
function values(tensor) {
  if (tensor.dtype === DT.STRING) return tensor.string_val.map((bytes) => Buffer.from(bytes).toString());
  const raw = Buffer.from(tensor.tensor_content ?? []);
  const count = tensor.tensor_shape.dim.reduce((product, dim) => product * Number(dim.size), 1);
  if (raw.length) {
    const read = {
      [DT.FLOAT]: (i) => raw.readFloatLE(4 * i),
      [DT.INT32]: (i) => raw.readInt32LE(4 * i),
      [DT.BOOL]: (i) => raw[i] !== 0,
    }[tensor.dtype];
    return Array.from({ length: count }, (_, i) => read(i));
  }
  const sent = { [DT.FLOAT]: tensor.float_val, [DT.INT32]: tensor.int_val, [DT.BOOL]: tensor.bool_val }[tensor.dtype];
  const zero = tensor.dtype === DT.BOOL ? false : 0;
  // Fewer values than the shape asks for: the last one repeats.
  return Array.from({ length: count }, (_, i) => sent[Math.min(i, sent.length - 1)] ?? zero);
}

function garmentsOf(outputs) {
  const [scores, names, boxes, rles] = ['scores', 'class_names', 'boxes_yxyx', 'mask_rle'].map((n) => values(outputs[n]));
  return Array.from({ length: values(outputs.num_detections)[0] }, (_, i) => {
    const [top, left, bottom, right] = boxes.slice(4 * i, 4 * i + 4);
    return { name: names[i], score: scores[i], box: [left, top, right, bottom], mask_rle: rles[i] };
  });
}

function detect(client, modelName, photo) {
  const request = {
    model_spec: { name: modelName },
    inputs: { image_bytes: { dtype: DT.STRING, tensor_shape: { dim: [{ size: 1 }] }, string_val: [photo] } },
  };
  return new Promise((resolve, reject) => client.makeUnaryRequest(
    PREDICT,
    (message) => Buffer.from(PredictRequest.encode(PredictRequest.fromObject(message)).finish()),
    (bytes) => PredictResponse.decode(bytes),
    request,
    new grpc.Metadata({ waitForReady: true }),
    { deadline: Date.now() + DEADLINE_MS },
    (error, response) => {
      if (error) return reject(error);
      const { outputs } = response;
      const [height, width] = values(outputs.image_size_hw);
      const ok = values(outputs.ok)[0];
      return resolve({ ok, error: values(outputs.error)[0], width, height, garments: ok ? garmentsOf(outputs) : [] });
    },
  ));
}

async function main([server, modelName, ...photos]) {
  if (!photos.length) throw new Error('usage: node detect.mjs HOST:PORT MODEL PHOTO...');
  const unlimited = { 'grpc.max_receive_message_length': -1, 'grpc.max_send_message_length': -1 };
  const client = new grpc.Client(server, grpc.credentials.createInsecure(), unlimited);
  try {
    for (const photo of photos) {
      const answer = await detect(client, modelName, readFileSync(photo));
      console.log(JSON.stringify({ photo, ...answer }));
      if (!answer.ok) process.exitCode = 1;
    }
  } finally {
    client.close();
  }
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`error: ${grpc.status[error.code] ?? ''} ${error.details ?? error.message}`);
  process.exitCode = 1;
});
