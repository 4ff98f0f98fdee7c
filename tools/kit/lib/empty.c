/*
 * irqlog kit: BufferOverflowFastFailK.lib and arm64rt.lib. wdk-sys names them on the linker's command line; rustc emits
 * neither /GS cookies nor the ARM64 runtime's helpers, so nothing is taken from them.
 */
int irqlog_kit_empty;
