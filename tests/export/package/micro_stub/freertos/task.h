// A delay after which a test has seen enough.
#pragma once

#include <cstdlib>

inline void vTaskDelay(unsigned int) {
  static int left = COUNT;
  if (--left == 0) std::exit(0);
}
