"""A sketch that says what a camera sees, for a microcontroller."""

import re

_FRAME = (160, 120)
FRAME_BYTES = 2 * _FRAME[0] * _FRAME[1]
_TYPES = {
    "int8": ("std::int8_t", "int8"),
    "uint8": ("std::uint8_t", "uint8"),
    "int16": ("std::int16_t", "i16"),
    "float32": ("float", "f"),
}


def c_example(name, runner, labelled):
    """Returns the source of a sketch around what `write_c_array` writes.

    It cuts the middle square out of a frame, runs the network and prints the
    class: as Arduino has it, in `setup` and `loop`, which ESP-IDF's `app_main`
    calls. To read the camera is left to the user.

    Args:
        name: Prefix of what `NAME.h` declares.
        runner: `Runner` of the file.
        labelled: Whether `NAME.h` declares the names of the classes.

    Returns:
        The text; `None` for networks that do not tell several classes apart
        on square RGB images.
    """
    height, width, *channels = [*runner.input_shape, 0, 0][:3]
    square = len(runner.input_shape) == 3 and height == width
    if not square or channels != [3] or runner.num_classes < 2:
        return None
    number, member = _TYPES[runner.input["dtype"]]
    score, score_member = _TYPES[runner.output["dtype"]]
    into = out = "value"
    if "scale" in runner.input:
        into = f"""\
std::min(
      std::max(std::lround(value / {name}_input_scale) +
                   {name}_input_zero_point,
               long(std::numeric_limits<Number>::min())),
      long(std::numeric_limits<Number>::max()))"""
    if "scale" in runner.output:
        out = f"{name}_output_scale * (value - {name}_output_zero_point)"
    said = '"class %d: %d %%", best'
    if labelled:
        said = f'"%s: %d %%", {name}_labels[best]'
    return f"""\
// Says what a camera sees, with {name}.cc in TensorFlow Lite Micro. kerastl
// wrote it as a beginning, and leaves it alone from now on.
#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "{name}.h"
#include "tensorflow/lite/micro/micro_interpreter.h"
#include "tensorflow/lite/micro/micro_log.h"
#include "tensorflow/lite/micro/micro_mutable_op_resolver.h"
#include "tensorflow/lite/schema/schema_generated.h"
#ifdef ESP_PLATFORM
#include "esp_attr.h"
#include "freertos/FreeRTOS.h"
#include "freertos/task.h"
#endif
#ifndef EXT_RAM_BSS_ATTR  // On an ESP32 with PSRAM: what lies there.
#define EXT_RAM_BSS_ATTR
#endif

// The camera's frames: rows of RGB565, of each pixel the high byte first.
constexpr int frame_width = {_FRAME[0]};
constexpr int frame_height = {_FRAME[1]};
// Yours to write: fills a frame, and returns whether there is one.
bool read_frame(std::uint8_t* frame);

namespace {{

constexpr int image_size = {height};
constexpr int num_classes = {runner.num_classes};
using Number = {number};
using Score = {score};

EXT_RAM_BSS_ATTR std::uint8_t frame[2 * frame_width * frame_height];
alignas(16) EXT_RAM_BSS_ATTR std::uint8_t arena[{name}_arena_size];
tflite::MicroInterpreter* interpreter = nullptr;

// Red, green or blue of a pixel, 0 to 255.
int colour(int x, int y, int channel) {{
  const std::uint8_t* bytes = frame + 2 * (y * frame_width + x);
  const int pixel = bytes[0] << 8 | bytes[1];
  if (channel == 1) {{
    const int green = pixel >> 5 & 63;
    return green << 2 | green >> 4;
  }}
  const int other = (channel == 0 ? pixel >> 11 : pixel) & 31;
  return other << 3 | other >> 2;
}}

Number to_number(float value) {{
  return {into};
}}

float to_float(Score value) {{
  return {out};
}}

// Scales the middle square of the frame: each value is the mean of the pixels
// that it stands for.
void fill(Number* image) {{
  const int side = std::min(frame_width, frame_height);
  const int left = (frame_width - side) / 2;
  const int top = (frame_height - side) / 2;
  for (int y = 0; y < image_size; ++y) {{
    const int first_row = top + y * side / image_size;
    const int last_row =
        std::max(first_row, top + (y + 1) * side / image_size - 1);
    for (int x = 0; x < image_size; ++x) {{
      const int first = left + x * side / image_size;
      const int last = std::max(first, left + (x + 1) * side / image_size - 1);
      const int count = (last_row - first_row + 1) * (last - first + 1);
      for (int channel = 0; channel < 3; ++channel) {{
        int sum = 0;
        for (int row = first_row; row <= last_row; ++row)
          for (int column = first; column <= last; ++column)
            sum += colour(column, row, channel);
        *image++ = to_number(float(sum) / count);
      }}
    }}
  }}
}}

}}  // namespace

void setup() {{
  static tflite::MicroMutableOpResolver<{name}_num_operators> resolver;
  static tflite::MicroInterpreter made(tflite::GetModel({name}), resolver,
                                       arena, {name}_arena_size);
  if (!{name}_add_operators(resolver) ||
      made.AllocateTensors() != kTfLiteOk) {{
    MicroPrintf("The network cannot be set up: is the arena large enough?");
    return;
  }}
  interpreter = &made;
}}

void loop() {{
  if (interpreter == nullptr || !read_frame(frame)) return;
  fill(interpreter->input(0)->data.{member});
  if (interpreter->Invoke() != kTfLiteOk) {{
    MicroPrintf("The network failed.");
    return;
  }}
  const Score* scores = interpreter->output(0)->data.{score_member};
  const int best = std::max_element(scores, scores + num_classes) - scores;
  MicroPrintf({said},
              int(std::lround(100 * to_float(scores[best]))));
}}

#if defined(ESP_PLATFORM) && !defined(ARDUINO)
// Arduino calls setup and loop by itself.
extern "C" void app_main() {{
  setup();
  for (;;) {{
    loop();
    vTaskDelay(1);  // Tasks of less priority run too, the watchdog's first.
  }}
}}
#endif
"""


# Words that C++ keeps for itself.
_KEYWORDS = frozenset(
    """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char
    char8_t char16_t char32_t class compl concept const const_cast consteval
    constexpr constinit continue co_await co_return co_yield decltype default
    delete do double dynamic_cast else enum explicit export extern false float
    for friend goto if inline int long main mutable namespace new noexcept not
    not_eq nullptr operator or or_eq private protected public register
    reinterpret_cast requires return short signed sizeof static static_assert
    static_cast struct switch template this thread_local throw true try typedef
    typeid typename union unsigned using virtual void volatile wchar_t while
    xor xor_eq
    """.split()
)


def c_identifier(name):
    """Returns a lower-case C identifier made of `name`.

    >>> c_identifier("My model-int8 (2)")
    'my_model_int8_2'
    """
    words = re.sub(r"[^0-9a-zA-Z]+", "_", name).strip("_").lower()
    taken = not words or words[0].isdigit() or words in _KEYWORDS
    return f"model_{words}" if taken else words
