/* irqlog kit: nothing of the file-system interface is needed; see ntddk.h. */
#include "ntddk.h"
