/*
 * race.h: a device with 32 requests in flight whose driver has a planted defect, for `cargo xtask demo`: its log shows it.
 *
 * The service parameter `PlantRace` 1 turns it on. Each interrupt says that a request is done: the ISR notes it in a word
 * of 32 bits, and the DPC completes what is noted there. A request that is noted and never completed hangs.
 */
#ifndef RACE_H
#define RACE_H

#define RACE_REQUESTS 32

typedef struct _RACE {
    BOOLEAN IsOn;
    /* Requests that are done and not completed yet, a bit each. The ISR and the DPC change it. */
    volatile ULONG Done;
    /* Number of the request in each place; 0 once it is completed. */
    volatile LONG Request[RACE_REQUESTS];
    /* Rounds of the watchdog that have seen it there. */
    ULONG Age[RACE_REQUESTS];
} RACE;

static RACE Race;

/* The device says that request `Number` is done. IRQL: the interrupt's device level. */
static VOID RaceOnInterrupt(LONG Number) {
    const ULONG Place = (ULONG)Number % RACE_REQUESTS;
    Race.Request[Place] = Number;
    Race.Done |= 1u << Place;
    IRQLOG_DEBUG("ISR: request {} is done, done is {:#x}", Number, Race.Done);
}

/* Completes the requests that are done. IRQL: DISPATCH_LEVEL. */
static VOID RaceOnDpc(VOID) {
    const ULONG Taken = Race.Done;
    ULONG Place;
    for (Place = 0; Place < RACE_REQUESTS; Place++) {
        if ((Taken & 1u << Place) != 0) {
            IRQLOG_DEBUG("DPC: completes request {}", Race.Request[Place]);
            Race.Request[Place] = 0;
        }
    }
    /* The defect: an interrupt that came since `Taken` was read is forgotten here. InterlockedExchange above is right. */
    Race.Done = 0;
    IRQLOG_DEBUG("DPC: has completed {:#x}, done is {:#x}", Taken, Race.Done);
}

/* Looks for requests that are noted nowhere and not completed. IRQL: PASSIVE_LEVEL. */
static VOID RaceWatch(VOID) {
    ULONG Place;
    for (Place = 0; Place < RACE_REQUESTS; Place++) {
        const LONG Number = Race.Request[Place];
        if (Number == 0 || (Race.Done & 1u << Place) != 0) {
            Race.Age[Place] = 0;
        } else if (++Race.Age[Place] == 2) {
            IRQLOG_WARN("watchdog: request {} hangs", Number);
        }
    }
}

#endif
