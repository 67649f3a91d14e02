/* Prints the layout of this build as JSON. Run once, by build-native.sh. */
#include <stdio.h>

#include "layout.h"

int main(void) {
  const char *separator = "{";
#define PRINT(name, value)                                              \
  printf("%s\n  \"%s\": %llu", separator, #name, (unsigned long long)(value)); \
  separator = ",";
  NVU_LAYOUT(PRINT)
  puts("\n}");
  return 0;
}
