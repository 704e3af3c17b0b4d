"""Reads files in the ways of a bench, and prints one number: mount-reader.py WAY SECONDS-OR-BYTES FILE..."""
import os, random, statistics, sys, threading, time

way, amount, *files = sys.argv[1:]
amount = int(amount)


def sequential(path, limit):
    fd = os.open(path, os.O_RDONLY)
    got = 0
    while got < limit:
        piece = os.read(fd, 1 << 20)
        if not piece:
            break
        got += len(piece)
    os.close(fd)
    return got


def together(work, items):
    results = []
    threads = [threading.Thread(target=lambda item=item: results.append(work(item))) for item in items]
    begun = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results, time.monotonic() - begun


def random_reads(seconds, seed, path):
    chance = random.Random(seed)
    fd = os.open(path, os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    size = os.fstat(fd).st_size
    end, count = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        os.pread(fd, 4096, chance.randrange(size // 4096) * 4096)
        count += 1
    os.close(fd)
    return count


if way == 'sequential':
    got, seconds = together(lambda path: sequential(path, amount), files)
    print(sum(got) / seconds / 1e6)
elif way.startswith('random-'):
    jobs = int(way.split('-')[1])
    counts, seconds = together(lambda seed: random_reads(amount, seed, files[0]), range(jobs))
    print(sum(counts) / seconds)
elif way == 'first':
    fd = os.open(files[0], os.O_RDONLY)
    os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_RANDOM)
    size, chance, times = os.fstat(fd).st_size, random.Random(amount), []
    for _ in range(15):
        begun = time.monotonic()
        os.pread(fd, 4096, chance.randrange(size // 4096) * 4096)
        times.append((time.monotonic() - begun) * 1e3)
    print(statistics.median(times))
elif way == 'skim':
    fd = os.open(files[0], os.O_RDONLY)
    size, chance = os.fstat(fd).st_size, random.Random(amount)
    begun = time.monotonic()
    for _ in range(40):
        os.pread(fd, 256 * 1024, chance.randrange(size - 256 * 1024))
    print(40 * 256 * 1024 / (time.monotonic() - begun) / 1e6)
