/* irqlog kit: the safe-string functions are inline in the WDK and have no binding. */
