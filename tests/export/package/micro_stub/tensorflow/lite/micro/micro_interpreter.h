// What a sketch uses of TensorFlow Lite Micro, whose sources come with no
// package. LiteRT computes: the command in RUN reads input.bin and writes
// output.bin.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

#include "tensorflow/lite/schema/schema_generated.h"

enum TfLiteStatus { kTfLiteOk, kTfLiteError };

struct TfLiteTensor {
  union {
    float* f;
    std::uint8_t* uint8;
    std::int16_t* i16;
    std::int8_t* int8;
    void* data;
  } data;
};

namespace tflite {

class MicroInterpreter {
 public:
  template <typename Resolver>
  MicroInterpreter(const Model* model, const Resolver& resolver,
                   std::uint8_t* arena, std::size_t arena_size)
      : room_(model && resolver.count == 0 && arena_size > INPUT + OUTPUT) {
    input_.data.uint8 = arena;
    output_.data.uint8 = arena + INPUT;
  }
  TfLiteStatus AllocateTensors() { return room_ ? kTfLiteOk : kTfLiteError; }
  TfLiteTensor* input(std::size_t) { return &input_; }
  TfLiteTensor* output(std::size_t) { return &output_; }
  TfLiteStatus Invoke() {
    std::FILE* file = std::fopen("input.bin", "wb");
    std::fwrite(input_.data.data, 1, INPUT, file);
    std::fclose(file);
    if (std::system(std::getenv("RUN")) != 0) return kTfLiteError;
    file = std::fopen("output.bin", "rb");
    const std::size_t found = std::fread(output_.data.data, 1, OUTPUT, file);
    std::fclose(file);
    return found == OUTPUT ? kTfLiteOk : kTfLiteError;
  }

 private:
  bool room_;
  TfLiteTensor input_, output_;
};

}  // namespace tflite
