package main

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
)

// Run is what a case works with: one run of one case against one broker.
type Run struct {
	ctx       context.Context
	bootstrap string
	prefix    string
	admin     *kadm.Client
	cleanup   []func()
}

func newRun(ctx context.Context, bootstrap, prefix string) *Run {
	r := &Run{ctx: ctx, bootstrap: bootstrap, prefix: prefix}
	r.admin = kadm.NewClient(r.client())
	return r
}

func (r *Run) close() {
	for i := len(r.cleanup) - 1; i >= 0; i-- {
		r.cleanup[i]()
	}
}

// client makes a client that is closed when the case is over.
func (r *Run) client(opts ...kgo.Opt) *kgo.Client {
	client := must(kgo.NewClient(append([]kgo.Opt{kgo.SeedBrokers(r.bootstrap)}, opts...)...))
	r.cleanup = append(r.cleanup, client.Close)
	return client
}

// topic creates a topic and returns its name.
func (r *Run) topic(name string, partitions int32) string {
	return r.topicWith(name, partitions, nil)
}

func (r *Run) topicWith(name string, partitions int32, configs map[string]*string) string {
	topic := r.prefix + "-" + name
	created := must(r.admin.CreateTopic(r.ctx, partitions, 1, configs, topic))
	expect(created.NumPartitions == partitions, "%d partitions answered", created.NumPartitions)
	// A broker may answer before it can serve what was created.
	r.waitUntil(topic, func() bool {
		ends := must(r.admin.ListEndOffsets(r.ctx, topic))
		return ends.Error() == nil && len(ends[topic]) == int(partitions)
	})
	return topic
}

// produce writes records with all acknowledgements and waits for them.
func (r *Run) produce(records []*kgo.Record) {
	producer := r.client(kgo.RecordPartitioner(kgo.ManualPartitioner()))
	check(producer.ProduceSync(r.ctx, records...).FirstErr())
}

// start is the timestamp of the first record that records makes, in ms: young enough to be kept.
var start = time.Now().Add(-time.Hour).UnixMilli()

// records makes records round the partitions, each one ms and one number after the other.
func records(topic string, partitions int32, from, to int) []*kgo.Record {
	var made []*kgo.Record
	for i := from; i < to; i++ {
		made = append(made, &kgo.Record{
			Topic:     topic,
			Partition: int32(i) % partitions,
			Key:       fmt.Appendf(nil, "key-%d", i),
			Value:     fmt.Appendf(nil, "value-%d %s", i, strings.Repeat("and again ", 10)),
			Headers:   []kgo.RecordHeader{{Key: "number", Value: fmt.Appendf(nil, "%d", i)}},
			Timestamp: time.UnixMilli(start + int64(i)),
		})
	}
	return made
}

// readAll reads every partition of a topic from its beginning until it has seen count records.
func (r *Run) readAll(topic string, partitions int32, count int) []*kgo.Record {
	return r.read(topic, partitions, kgo.NewOffset().AtStart(), count)
}

func (r *Run) read(topic string, partitions int32, from kgo.Offset, count int) []*kgo.Record {
	offsets := make(map[int32]kgo.Offset)
	for p := range partitions {
		offsets[p] = from
	}
	consumer := r.client(kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: offsets}))
	return r.poll(consumer, count)
}

// poll waits for count records.
func (r *Run) poll(consumer *kgo.Client, count int) []*kgo.Record {
	var got []*kgo.Record
	for len(got) < count {
		fetches := consumer.PollFetches(r.ctx)
		check(fetches.Err())
		got = append(got, fetches.Records()...)
	}
	return got
}

// expectSame compares records partition by partition: order, content and offsets from 0.
func expectSame(got, want []*kgo.Record) {
	expect(len(got) == len(want), "got %d records instead of %d", len(got), len(want))
	ours := byPartition(want)
	for p, theirs := range byPartition(got) {
		expect(len(theirs) == len(ours[p]), "partition %d has %d records", p, len(theirs))
		for i, record := range theirs {
			expect(record.Offset == int64(i), "offset %d where %d belongs", record.Offset, i)
			expectContent(record, ours[p][i])
		}
	}
}

func byPartition(records []*kgo.Record) map[int32][]*kgo.Record {
	parts := make(map[int32][]*kgo.Record)
	for _, record := range records {
		parts[record.Partition] = append(parts[record.Partition], record)
	}
	return parts
}

func expectContent(got, want *kgo.Record) {
	expect(bytes.Equal(got.Key, want.Key), "key %q instead of %q", got.Key, want.Key)
	expect(bytes.Equal(got.Value, want.Value), "wrong value of %s", got.Key)
	expect(got.Timestamp.Equal(want.Timestamp), "wrong timestamp of %s: %v", got.Key, got.Timestamp)
	expect(len(got.Headers) == len(want.Headers), "wrong headers of %s", got.Key)
	for i, header := range want.Headers {
		same := got.Headers[i].Key == header.Key && bytes.Equal(got.Headers[i].Value, header.Value)
		expect(same, "wrong header of %s: %v", got.Key, got.Headers[i])
	}
}

// waitUntil asks again until the answer is yes.
func (r *Run) waitUntil(what string, met func() bool) {
	for !met() {
		select {
		case <-r.ctx.Done():
			fail("in vain: %s", what)
		case <-time.After(20 * time.Millisecond):
		}
	}
}

func must[T any](value T, err error) T {
	check(err)
	return value
}

func check(err error) {
	if err != nil {
		fail("%v", err)
	}
}

func expect(holds bool, format string, args ...any) {
	if !holds {
		fail(format, args...)
	}
}
