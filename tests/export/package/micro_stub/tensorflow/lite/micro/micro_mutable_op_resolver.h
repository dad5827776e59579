#pragma once

#include "tensorflow/lite/micro/micro_interpreter.h"

namespace tflite {

template <unsigned int size>
struct MicroMutableOpResolver {
  unsigned int count = 0;
  TfLiteStatus Add() { return ++count <= size ? kTfLiteOk : kTfLiteError; }
  TfLiteStatus AddConv2D() { return Add(); }
  TfLiteStatus AddDepthwiseConv2D() { return Add(); }
  TfLiteStatus AddAdd() { return Add(); }
  TfLiteStatus AddMul() { return Add(); }
  TfLiteStatus AddMean() { return Add(); }
  TfLiteStatus AddFullyConnected() { return Add(); }
  TfLiteStatus AddSoftmax() { return Add(); }
  TfLiteStatus AddQuantize() { return Add(); }
};

}  // namespace tflite
