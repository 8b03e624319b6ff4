package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

// groupConsumer joins a group and leaves it to the case to poll and to commit.
func (r *Run) groupConsumer(group, topic string, reset kgo.Offset) *kgo.Client {
	return r.client(
		kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(reset), kgo.DisableAutoCommit(),
	)
}

func commitAndResume(r *Run) {
	topic, group := r.topic("resume", 1), r.prefix+"-resume"
	sent := records(topic, 1, 0, 30)
	r.produce(sent)
	consumer := r.groupConsumer(group, topic, kgo.NewOffset().AtStart())
	got := r.poll(consumer, 30)
	check(consumer.CommitRecords(r.ctx, got[:10]...))
	consumer.Close()

	consumer = r.groupConsumer(group, topic, kgo.NewOffset().AtStart())
	got = r.poll(consumer, 20)
	expect(got[0].Offset == 10, "resumed at offset %d", got[0].Offset)
	for i, record := range got {
		expectContent(record, sent[10+i])
	}
	committed := must(r.admin.FetchOffsets(r.ctx, group))
	offset, found := committed.Lookup(topic, 0)
	expect(found && offset.At == 10, "committed is %+v", offset)
}

func commitMetadata(r *Run) {
	topic, group := r.topic("metadata", 2), r.prefix+"-metadata"
	var offsets kadm.Offsets
	offsets.Add(kadm.Offset{Topic: topic, Partition: 0, At: 7, LeaderEpoch: -1, Metadata: "seven"})
	offsets.Add(kadm.Offset{Topic: topic, Partition: 1, At: 8, LeaderEpoch: -1})
	check(r.admin.CommitAllOffsets(r.ctx, group, offsets))

	committed := must(r.admin.FetchOffsets(r.ctx, group))
	zero, _ := committed.Lookup(topic, 0)
	one, _ := committed.Lookup(topic, 1)
	expect(zero.At == 7 && zero.Metadata == "seven", "partition 0: %+v", zero)
	expect(one.At == 8 && one.Metadata == "", "partition 1: %+v", one)

	// No more than 4096 bytes are allowed unless configured (offset.metadata.max.bytes).
	var long kadm.Offsets
	long.Add(kadm.Offset{Topic: topic, At: 9, LeaderEpoch: -1, Metadata: strings.Repeat("x", 4097)})
	refused := must(r.admin.CommitOffsets(r.ctx, group, long))
	expectError(refused.Error(), kerr.OffsetMetadataTooLarge)
}

// With no offset committed, and with one that does not exist any more or not yet.
func (r *Run) resetGroups(name, topic string) []string {
	fresh, astray := r.prefix+"-"+name, r.prefix+"-"+name+"-astray"
	var beyond kadm.Offsets
	beyond.AddOffset(topic, 0, 1000, -1)
	check(r.admin.CommitAllOffsets(r.ctx, astray, beyond))
	return []string{fresh, astray}
}

func resetEarliest(r *Run) {
	topic := r.topic("reset-earliest", 1)
	sent := records(topic, 1, 0, 30)
	r.produce(sent)
	for _, group := range r.resetGroups("reset-earliest", topic) {
		consumer := r.groupConsumer(group, topic, kgo.NewOffset().AtStart())
		expectSame(r.poll(consumer, 30), sent)
		consumer.Close()
	}
}

func resetLatest(r *Run) {
	topic := r.topic("reset-latest", 1)
	r.produce(records(topic, 1, 0, 30))
	for _, group := range r.resetGroups("reset-latest", topic) {
		consumer := r.groupConsumer(group, topic, kgo.NewOffset().AtEnd())
		arrived := make(chan *kgo.Record)
		go func() { arrived <- r.poll(consumer, 1)[0] }()
		first := r.produceUntil(topic, arrived)
		expect(strings.HasPrefix(string(first.Value), "new"), "got %s of before", first.Key)
		consumer.Close()
	}
}

// produceUntil goes on until a record arrives: where the end was when the consumer looked for it,
// nobody can tell from outside.
func (r *Run) produceUntil(topic string, arrived <-chan *kgo.Record) *kgo.Record {
	for i := 0; ; i++ {
		r.produce([]*kgo.Record{{Topic: topic, Value: fmt.Appendf(nil, "new %d", i)}})
		select {
		case record := <-arrived:
			return record
		case <-time.After(200 * time.Millisecond):
		}
	}
}
