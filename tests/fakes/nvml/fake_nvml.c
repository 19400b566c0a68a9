/* A stand-in for libnvidia-ml.so.1: what it answers is a function of CLOCK_MONOTONIC and of a control file.
 *
 * The file named by FAKE_NVML_CONTROL holds "key=value" lines and is read again whenever it changes. "key.N" holds for
 * GPU N alone and goes before "key".
 *
 *   gpus               how many (1)                  uuid, name             strings
 *   power_mw           constant power (200000)       square_low_mw          with square_period_ms: half a period at
 *   square_period_ms   0 for constant (0)            power_mw, then half at square_low_mw, from t = 0 of the clock
 *   update_ms          readings step every so many ms (0: continuous)
 *   average_ms         power readings are the mean of the last so many ms (0: instantaneous)
 *   observe_ms         the sensor looks only at the last so many ms before each update (0: all the time): an
 *                      instantaneous reading is one look, any other the mean of the looks of the last average_ms
 *   noise_mw           each update's power reading is off by up to so much, evenly (0)
 *   counter            0: no energy counter (1)      counter_base_mj        what it read at t = 0 (1000000)
 *   counter_loss_us    each read of the counter makes it forget the first so many us since the read before (0), and
 *   read_uj            makes the GPU use so many uJ more (0); both hold in the process that reads
 *   reset_at_ns        the counter starts again at zero at this time (0: never)
 *   power              0: no power reading (1)       instant                1: offers POWER_INSTANT (0)
 *   limit_mw           power limit (700000), 0 for not supported
 *   lost_from_ns, lost_until_ns   the GPU is lost in between (0: never; no end)
 *   mig                1: divided into slices, -1: not supported (-1)
 *   arch, cc_major, cc_minor      3, 5, 0: Maxwell, of whose power sensor nothing is known
 *   driver             version, a string
 *   init_error, count_error       what nvmlInit and nvmlDeviceGetCount return (0)
 *   handles, reads     how many times the GPU is found, or its power and energy read, before it is lost, in each
 *                      process (0: always)
 *   read_sleep_ms      each reading takes so long (0)
 *
 * Conditions, -1 for not supported: temperature_c (45), sm_mhz (1500), memory_mhz (1200), utilisation (50), pstate (0),
 *   clock_events (0), a bit mask;  events_by       new, old: answers under the new name or only under the old one (new)
 *   processes          0: not supported (1)        compute_pids, graphics_pids   process ids with blanks in between
 *   processes_sleep_ms each list takes so long (0)
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { SUCCESS = 0, UNINITIALIZED = 1, INVALID_ARGUMENT = 2, NOT_SUPPORTED = 3, INSUFFICIENT_SIZE = 7,
       FUNCTION_NOT_FOUND = 13, GPU_IS_LOST = 15 };
enum { POWER_INSTANT = 186, VALUE_UNSIGNED_INT = 1, CLOCK_SM = 1, CLOCK_MEMORY = 2, MAX_GPUS = 32, MAX_KEYS = 256 };

typedef struct { int index; } device;

typedef struct {
    unsigned fieldId, scopeId;
    long long timestamp, latencyUsec;
    unsigned valueType, nvmlReturn;
    union { double d; unsigned ui; unsigned long long ull; } value;
} field_value;

typedef struct { unsigned pid; unsigned long long memory; unsigned gpu_instance, compute_instance; } process_info;

typedef struct { unsigned gpu, memory; } utilisation_rates;

typedef struct {
    long long power_mw, square_low_mw, square_period, update, average, observe, noise, counter, counter_base_mj,
        counter_loss, read_uj, reset_at, power, instant, limit_mw, lost_from, lost_until, mig, arch, cc_major, cc_minor,
        handles, reads, read_sleep, temperature, sm_mhz, memory_mhz, utilisation, pstate, clock_events, events_by_old,
        processes, processes_sleep;
    char uuid[96], name[96], compute_pids[96], graphics_pids[96];
} gpu_settings;

/* What this process did to a GPU: handles and readings it took, when it last read the counter, energy lost by that. */
typedef struct { long long handles, reads, counted_at; long double forgotten_mj; } gpu_history;

static gpu_settings gpus[MAX_GPUS];
static gpu_history histories[MAX_GPUS];
static int gpu_count, init_error, count_error;
static char driver[96];

static struct { char key[48], value[96]; } lines[MAX_KEYS];
static int line_count;
static struct timespec read_at;
static ino_t read_inode;
static long long looked_at;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static device devices[MAX_GPUS];
static int started;

static const char *lookup(const char *key) {
    for (int i = 0; i < line_count; i++)
        if (!strcmp(lines[i].key, key)) return lines[i].value;
    return NULL;
}

static const char *text(const char *key, int gpu, const char *otherwise) {
    char own[64];
    const char *found;
    snprintf(own, sizeof own, "%s.%d", key, gpu);
    if ((found = lookup(own)) || (found = lookup(key))) return found;
    return otherwise;
}

static long long number(const char *key, int gpu, long long otherwise) {
    const char *found = text(key, gpu, NULL);
    return found ? atoll(found) : otherwise;
}

static void settle(void) {
    gpu_count = (int)number("gpus", 0, 1);
    init_error = (int)number("init_error", 0, 0);
    count_error = (int)number("count_error", 0, 0);
    snprintf(driver, sizeof driver, "%s", text("driver", 0, "550.54.15"));
    for (int i = 0; i < MAX_GPUS; i++) {
        gpu_settings *gpu = &gpus[i];
        char usual[64];
        gpu->power_mw = number("power_mw", i, 200000);
        gpu->square_low_mw = number("square_low_mw", i, 0);
        gpu->square_period = number("square_period_ms", i, 0) * 1000000;
        gpu->update = number("update_ms", i, 0) * 1000000;
        gpu->average = number("average_ms", i, 0) * 1000000;
        gpu->observe = number("observe_ms", i, 0) * 1000000;
        gpu->noise = number("noise_mw", i, 0);
        gpu->counter = number("counter", i, 1);
        gpu->counter_base_mj = number("counter_base_mj", i, 1000000);
        gpu->counter_loss = number("counter_loss_us", i, 0) * 1000;
        gpu->read_uj = number("read_uj", i, 0);
        gpu->reset_at = number("reset_at_ns", i, 0);
        gpu->power = number("power", i, 1);
        gpu->instant = number("instant", i, 0);
        gpu->limit_mw = number("limit_mw", i, 700000);
        gpu->lost_from = number("lost_from_ns", i, 0);
        gpu->lost_until = number("lost_until_ns", i, 0);
        gpu->mig = number("mig", i, -1);
        gpu->arch = number("arch", i, 3);
        gpu->cc_major = number("cc_major", i, 5);
        gpu->cc_minor = number("cc_minor", i, 0);
        gpu->read_sleep = number("read_sleep_ms", i, 0) * 1000000;
        gpu->handles = number("handles", i, 0);
        gpu->reads = number("reads", i, 0);
        gpu->temperature = number("temperature_c", i, 45);
        gpu->sm_mhz = number("sm_mhz", i, 1500);
        gpu->memory_mhz = number("memory_mhz", i, 1200);
        gpu->utilisation = number("utilisation", i, 50);
        gpu->pstate = number("pstate", i, 0);
        gpu->clock_events = number("clock_events", i, 0);
        gpu->events_by_old = !strcmp(text("events_by", i, "new"), "old");
        gpu->processes = number("processes", i, 1);
        gpu->processes_sleep = number("processes_sleep_ms", i, 0) * 1000000;
        snprintf(gpu->compute_pids, sizeof gpu->compute_pids, "%s", text("compute_pids", i, ""));
        snprintf(gpu->graphics_pids, sizeof gpu->graphics_pids, "%s", text("graphics_pids", i, ""));
        snprintf(usual, sizeof usual, "GPU-00000000-0000-0000-0000-%012d", i);
        snprintf(gpu->uuid, sizeof gpu->uuid, "%s", text("uuid", i, usual));
        snprintf(gpu->name, sizeof gpu->name, "%s", text("name", i, "Fake GPU"));
    }
}

static long long now_ns(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000000LL + now.tv_nsec;
}

/* Takes up a changed control file, and looks for one at most every 20 ms: a reading should cost next to nothing. */
static void refresh(void) {
    const char *path;
    struct stat info;
    char line[160];
    long long now = now_ns();
    if (looked_at && now - looked_at < 20000000) return;
    pthread_mutex_lock(&lock);
    path = getenv("FAKE_NVML_CONTROL");
    if (!looked_at) settle();
    if (path && !stat(path, &info) && (info.st_ino != read_inode || info.st_mtim.tv_sec != read_at.tv_sec ||
                                       info.st_mtim.tv_nsec != read_at.tv_nsec)) {
        FILE *file = fopen(path, "r");
        if (file) {
            line_count = 0;
            while (line_count < MAX_KEYS && fgets(line, sizeof line, file))
                if (sscanf(line, "%47[^=]=%95[^\n]", lines[line_count].key, lines[line_count].value) == 2) line_count++;
            fclose(file);
            read_inode = info.st_ino;
            read_at = info.st_mtim;
            settle();
        }
    }
    looked_at = now;
    pthread_mutex_unlock(&lock);
}

/* Energy from t = 0 to t, in millijoules (mW x ns is 1e-9 mJ). */
static long double energy_mj(const gpu_settings *gpu, long long t) {
    long double high = gpu->power_mw, low = gpu->square_low_mw;
    long long period = gpu->square_period, half = period / 2;
    if (!period) return high * t * 1e-9L;
    long long rest = t % period, up = rest < half ? rest : half;
    return ((t / period) * (high * half + low * (period - half)) + high * up + low * (rest - up)) * 1e-9L;
}

static long double mean_mw(const gpu_settings *gpu, long long t, long long span) {
    return (energy_mj(gpu, t) - energy_mj(gpu, t - span)) / (span * 1e-9L);
}

static long double power_mw(const gpu_settings *gpu, long long t, int instant) {
    if (gpu->observe) {
        long long looks = instant || !gpu->update ? 1 : gpu->average / gpu->update;
        long double sum = mean_mw(gpu, t, gpu->observe);
        for (long long look = 1; look < looks; look++) sum += mean_mw(gpu, t - look * gpu->update, gpu->observe);
        return sum / (looks > 1 ? looks : 1);
    }
    if (gpu->average) return mean_mw(gpu, t, gpu->average);
    if (!gpu->square_period || t % gpu->square_period < gpu->square_period / 2) return gpu->power_mw;
    return gpu->square_low_mw;
}

/* What a power reading says: the same for all reads of one update. */
static unsigned reading_mw(const gpu_settings *gpu, long long t, int instant) {
    uint64_t word = (uint64_t)t * 0x9E3779B97F4A7C15u;
    word = (word ^ (word >> 29)) * 0xBF58476D1CE4E5B9u;
    word ^= word >> 32;
    long long off = gpu->noise ? (long long)(word % (uint64_t)(2 * gpu->noise + 1)) - gpu->noise : 0;
    long long milliwatts = (long long)power_mw(gpu, t, instant) + off;
    return milliwatts > 0 ? (unsigned)milliwatts : 0;
}

static void sleep_ns(long long length) {
    struct timespec span = {length / 1000000000, length % 1000000000};
    if (length) nanosleep(&span, NULL);
}

static int is_lost(const gpu_settings *gpu) {
    long long now = now_ns();
    return gpu->lost_from && now >= gpu->lost_from && (!gpu->lost_until || now < gpu->lost_until);
}

/* The time of the last update before now; or an error. */
static int begin(const gpu_settings *gpu, long long *t) {
    refresh();
    sleep_ns(gpu->read_sleep);
    *t = now_ns();
    if (is_lost(gpu) || (gpu->reads && histories[gpu - gpus].reads++ >= gpu->reads)) return GPU_IS_LOST;
    if (gpu->update) *t -= *t % gpu->update;
    return started ? SUCCESS : UNINITIALIZED;
}

int nvmlInitWithFlags(unsigned flags) {
    (void)flags;
    refresh();
    if (!init_error) started++;
    return init_error;
}

int nvmlShutdown(void) {
    if (started) started--;
    return SUCCESS;
}

const char *nvmlErrorString(int result) { return result == GPU_IS_LOST ? "GPU is lost" : "error of the fake"; }

int nvmlSystemGetDriverVersion(char *out, unsigned length) {
    snprintf(out, length, "%s", driver);
    return SUCCESS;
}

int nvmlDeviceGetCount_v2(unsigned *count) {
    refresh();
    *count = (unsigned)gpu_count;
    return count_error;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, device **handle) {
    refresh();
    if (index >= MAX_GPUS || (int)index >= gpu_count) return INVALID_ARGUMENT;
    if (gpus[index].handles && histories[index].handles >= gpus[index].handles) return GPU_IS_LOST;
    histories[index].handles++;
    devices[index].index = (int)index;
    *handle = &devices[index];
    return SUCCESS;
}

int nvmlDeviceGetUUID(device *handle, char *out, unsigned length) {
    snprintf(out, length, "%s", gpus[handle->index].uuid);
    return SUCCESS;
}

int nvmlDeviceGetName(device *handle, char *out, unsigned length) {
    snprintf(out, length, "%s", gpus[handle->index].name);
    return SUCCESS;
}

int nvmlDeviceGetTotalEnergyConsumption(device *handle, unsigned long long *millijoules) {
    const gpu_settings *gpu = &gpus[handle->index];
    long long t;
    int error = begin(gpu, &t);
    if (error) return error;
    if (!gpu->counter) return NOT_SUPPORTED;
    gpu_history *past = &histories[handle->index];
    past->forgotten_mj -= gpu->read_uj * 1e-3L;
    if (gpu->counter_loss) {
        long long now = now_ns(), until = past->counted_at + gpu->counter_loss;
        if (past->counted_at)
            past->forgotten_mj += energy_mj(gpu, until < now ? until : now) - energy_mj(gpu, past->counted_at);
        past->counted_at = now;
    }
    if (gpu->reset_at && t >= gpu->reset_at)
        *millijoules = (unsigned long long)(energy_mj(gpu, t) - energy_mj(gpu, gpu->reset_at));
    else
        *millijoules = (unsigned long long)(gpu->counter_base_mj + energy_mj(gpu, t) - past->forgotten_mj);
    return SUCCESS;
}

int nvmlDeviceGetPowerUsage(device *handle, unsigned *milliwatts) {
    const gpu_settings *gpu = &gpus[handle->index];
    long long t;
    int error = begin(gpu, &t);
    if (error) return error;
    if (!gpu->power) return NOT_SUPPORTED;
    *milliwatts = reading_mw(gpu, t, 0);
    return SUCCESS;
}

int nvmlDeviceGetFieldValues(device *handle, int count, field_value *values) {
    const gpu_settings *gpu = &gpus[handle->index];
    long long t;
    int error = begin(gpu, &t);
    if (error) return error;
    for (int i = 0; i < count; i++) {
        int known = values[i].fieldId == POWER_INSTANT && gpu->instant;
        values[i].nvmlReturn = known ? SUCCESS : NOT_SUPPORTED;
        values[i].valueType = VALUE_UNSIGNED_INT;
        values[i].value.ull = known ? reading_mw(gpu, t, 1) : 0;
    }
    return SUCCESS;
}

int nvmlDeviceGetEnforcedPowerLimit(device *handle, unsigned *milliwatts) {
    *milliwatts = (unsigned)gpus[handle->index].limit_mw;
    return *milliwatts ? SUCCESS : NOT_SUPPORTED;
}

int nvmlDeviceGetMigMode(device *handle, unsigned *current, unsigned *pending) {
    if (gpus[handle->index].mig < 0) return NOT_SUPPORTED;
    *current = *pending = (unsigned)gpus[handle->index].mig;
    return SUCCESS;
}

int nvmlDeviceGetArchitecture(device *handle, unsigned *architecture) {
    *architecture = (unsigned)gpus[handle->index].arch;
    return SUCCESS;
}

int nvmlDeviceGetCudaComputeCapability(device *handle, int *major, int *minor) {
    *major = (int)gpus[handle->index].cc_major;
    *minor = (int)gpus[handle->index].cc_minor;
    return SUCCESS;
}

/* A condition: `value` unless it is not supported or the GPU is lost. */
static int tell(const gpu_settings *gpu, long long value, unsigned *out) {
    refresh();
    if (is_lost(gpu)) return GPU_IS_LOST;
    if (value < 0) return NOT_SUPPORTED;
    *out = (unsigned)value;
    return SUCCESS;
}

int nvmlDeviceGetTemperature(device *handle, int sensor, unsigned *celsius) {
    const gpu_settings *gpu = &gpus[handle->index];
    return sensor ? INVALID_ARGUMENT : tell(gpu, gpu->temperature, celsius);
}

int nvmlDeviceGetClockInfo(device *handle, int clock, unsigned *megahertz) {
    const gpu_settings *gpu = &gpus[handle->index];
    if (clock == CLOCK_SM) return tell(gpu, gpu->sm_mhz, megahertz);
    return clock == CLOCK_MEMORY ? tell(gpu, gpu->memory_mhz, megahertz) : INVALID_ARGUMENT;
}

int nvmlDeviceGetUtilizationRates(device *handle, utilisation_rates *rates) {
    const gpu_settings *gpu = &gpus[handle->index];
    rates->memory = 0;
    return tell(gpu, gpu->utilisation, &rates->gpu);
}

int nvmlDeviceGetPerformanceState(device *handle, unsigned *state) {
    const gpu_settings *gpu = &gpus[handle->index];
    return tell(gpu, gpu->pstate, state);
}

int nvmlDeviceGetCurrentClocksThrottleReasons(device *handle, unsigned long long *reasons) {
    const gpu_settings *gpu = &gpus[handle->index];
    unsigned mask = 0;
    int error = tell(gpu, gpu->clock_events, &mask);
    *reasons = mask;
    return error;
}

int nvmlDeviceGetCurrentClocksEventReasons(device *handle, unsigned long long *reasons) {
    if (gpus[handle->index].events_by_old) return FUNCTION_NOT_FOUND;
    return nvmlDeviceGetCurrentClocksThrottleReasons(handle, reasons);
}

/* Ids in `listed` to `out`, which has room for *count; NVML's way to say how many there are. */
static int list_processes(const gpu_settings *gpu, const char *listed, unsigned *count, process_info *out) {
    unsigned found = 0, room = *count;
    refresh();
    if (is_lost(gpu)) return GPU_IS_LOST;
    if (!gpu->processes) return NOT_SUPPORTED;
    sleep_ns(gpu->processes_sleep);
    for (const char *at = listed; *at; at += strcspn(at, " "), at += strspn(at, " "), found++)
        if (found < room) out[found] = (process_info){(unsigned)atol(at), 1 << 20, ~0u, ~0u};
    *count = found;
    return found > room ? INSUFFICIENT_SIZE : SUCCESS;
}

int nvmlDeviceGetComputeRunningProcesses_v3(device *handle, unsigned *count, process_info *out) {
    const gpu_settings *gpu = &gpus[handle->index];
    return list_processes(gpu, gpu->compute_pids, count, out);
}

int nvmlDeviceGetGraphicsRunningProcesses_v3(device *handle, unsigned *count, process_info *out) {
    const gpu_settings *gpu = &gpus[handle->index];
    return list_processes(gpu, gpu->graphics_pids, count, out);
}

typedef struct { unsigned long long total, free, used; } memory_info;

/* codecarbon takes a GPU that cannot tell its memory for none. */
int nvmlDeviceGetMemoryInfo(device *handle, memory_info *memory) {
    (void)handle;
    *memory = (memory_info){80ULL << 30, 60ULL << 30, 20ULL << 30};
    return SUCCESS;
}
