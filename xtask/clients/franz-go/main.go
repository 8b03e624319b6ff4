// Load on a broker by franz-go, for `cargo xtask bench --rows clients`:
//
//	load BROKER produce TOPIC WARM_UP_BYTES BYTES BATCH_BYTES
//	load BROKER consume TOPIC WARM_UP_BYTES BYTES
//
// It prints what the BYTES took, as JSON; those of the warm-up come before the clock starts.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	valueBytes  = 1024
	lingerTime  = 5 * time.Millisecond
	bufferBytes = 256 << 20
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	if len(arguments) < 5 {
		return fmt.Errorf("usage: BROKER produce|consume TOPIC WARM_UP_BYTES BYTES [BATCH_BYTES]")
	}
	broker, job, topic := arguments[0], arguments[1], arguments[2]
	var numbers []int
	for _, text := range arguments[3:] {
		number, err := strconv.Atoi(text)
		if err != nil {
			return err
		}
		numbers = append(numbers, number)
	}
	if job == "produce" && len(numbers) == 3 {
		return produce(broker, topic, numbers[0], numbers[1], numbers[2])
	}
	return consume(broker, topic, numbers[0], numbers[1])
}

func produce(broker, topic string, warmUp, bytes, batchBytes int) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(broker),
		kgo.DefaultProduceTopic(topic),
		kgo.ProducerLinger(lingerTime),
		kgo.ProducerBatchMaxBytes(int32(batchBytes)),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.MaxBufferedBytes(bufferBytes),
		kgo.MaxBufferedRecords(bufferBytes/valueBytes),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	value := incompressible(valueBytes)
	if err := send(client, value, warmUp/valueBytes); err != nil {
		return err
	}
	records := (bytes + valueBytes - 1) / valueBytes
	clock := start()
	if err := send(client, value, records); err != nil {
		return err
	}
	clock.report(records, records*valueBytes)
	return nil
}

// Sends so many records, and waits until all are acknowledged.
func send(client *kgo.Client, value []byte, records int) error {
	var mutex sync.Mutex
	var failure error
	for range records {
		client.Produce(context.Background(), &kgo.Record{Value: value}, func(_ *kgo.Record, err error) {
			if err != nil {
				mutex.Lock()
				failure = err
				mutex.Unlock()
			}
		})
	}
	if err := client.Flush(context.Background()); err != nil {
		return err
	}
	mutex.Lock()
	defer mutex.Unlock()
	return failure
}

func consume(broker, topic string, warmUp, bytes int) error {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(broker),
		kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		return err
	}
	defer client.Close()
	if _, _, err := read(client, warmUp); err != nil {
		return err
	}
	clock := start()
	records, read, err := read(client, bytes)
	if err != nil {
		return err
	}
	clock.report(records, read)
	return nil
}

// Reads at least so many bytes of values.
func read(client *kgo.Client, wanted int) (records, bytes int, err error) {
	for bytes < wanted {
		patience, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		fetches := client.PollFetches(patience)
		cancel()
		for _, failure := range fetches.Errors() {
			return records, bytes, failure.Err
		}
		fetches.EachRecord(func(record *kgo.Record) {
			records++
			bytes += len(record.Value)
		})
	}
	return records, bytes, nil
}

type clock struct {
	begin time.Time
	cpu   float64
}

func start() clock {
	return clock{begin: time.Now(), cpu: cpuSeconds()}
}

func (c clock) report(records, bytes int) {
	seconds, cpu := time.Since(c.begin).Seconds(), cpuSeconds()
	fmt.Printf("{\"records\": %d, \"bytes\": %d, \"seconds\": %f, ", records, bytes, seconds)
	fmt.Printf("\"client_cpu_seconds\": %f, \"process_cpu_seconds\": %f}\n", cpu-c.cpu, cpu)
}

func cpuSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		return 0
	}
	seconds := func(time syscall.Timeval) float64 { return float64(time.Sec) + float64(time.Usec)/1e6 }
	return seconds(usage.Utime) + seconds(usage.Stime)
}

// Bytes without a pattern, the same in every run (an xorshift generator).
func incompressible(size int) []byte {
	state := uint64(0x9e3779b97f4a7c15)
	value := make([]byte, size)
	for index := range value {
		state ^= state << 13
		state ^= state >> 7
		state ^= state << 17
		value[index] = byte(state)
	}
	return value
}
