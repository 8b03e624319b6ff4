package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/IBM/sarama"
)

func commitAndResume(r *Run) {
	topic, group := r.topic("resume", 1), r.prefix+"-resume"
	sent := records(topic, 1, 0, 30)
	r.produce(sent)
	config := groupConfig()
	config.Consumer.Offsets.AutoCommit.Enable = false
	first := r.joinAndCommit(group, topic, config, 9)
	r.waitReceived(sent, first)
	check(first.group.Close())
	r.expectCommitted(group, topic, 0, 10, "")

	second := r.joinAndCommit(group, topic, config, 99)
	r.waitReceived(sent[10:], second)
	offset := second.received()[0].Offset
	expect(offset == 10, "resumed at offset %d", offset)
	for i, message := range second.received() {
		expectContent(message, sent[10+i])
	}
}

// commit commits one offset from outside and returns what the broker says.
func (r *Run) commit(group, topic string, partition int32, offset int64, metadata string) error {
	commit := sarama.OffsetAndMetadata{Offset: offset, Metadata: metadata, LeaderEpoch: -1}
	offsets := map[string]map[int32]sarama.OffsetAndMetadata{topic: {partition: commit}}
	answer, err := r.admin.AlterConsumerGroupOffsets(group, offsets, nil)
	if answer != nil && answer.Errors[topic][partition] != sarama.ErrNoError {
		return answer.Errors[topic][partition]
	}
	return err
}

// expectCommitted expects an offset, -1 where there is none.
func (r *Run) expectCommitted(
	group, topic string, partition int32, offset int64, metadata string,
) {
	asked := map[string][]int32{topic: {partition}}
	answer := must(r.admin.ListConsumerGroupOffsets(group, asked))
	block := answer.GetBlock(topic, partition)
	expect(block != nil && block.Err == sarama.ErrNoError, "fetched %+v", block)
	same := block.Offset == offset && block.Metadata == metadata
	expect(same, "partition %d: %d %q is committed", partition, block.Offset, block.Metadata)
}

func commitMetadata(r *Run) {
	topic, group := r.topic("metadata", 2), r.prefix+"-metadata"
	check(r.commit(group, topic, 0, 7, "seven"))
	check(r.commit(group, topic, 1, 8, ""))
	r.expectCommitted(group, topic, 0, 7, "seven")
	r.expectCommitted(group, topic, 1, 8, "")

	// No more than 4096 bytes are allowed unless configured (offset.metadata.max.bytes).
	refused := r.commit(group, topic, 0, 9, strings.Repeat("x", 4097))
	expectError(refused, sarama.ErrOffsetMetadataTooLarge)
}

// With no offset committed, and with one that does not exist any more or not yet.
func (r *Run) resetGroups(name, topic string) []string {
	fresh, astray := r.prefix+"-"+name, r.prefix+"-"+name+"-astray"
	check(r.commit(astray, topic, 0, 1000, ""))
	return []string{fresh, astray}
}

func resetEarliest(r *Run) {
	topic := r.topic("reset-earliest", 1)
	sent := records(topic, 1, 0, 30)
	r.produce(sent)
	for _, group := range r.resetGroups("reset-earliest", topic) {
		m := r.join(group, topic, groupConfig())
		r.waitReceived(sent, m)
		expectSame(m.received(), sent)
		check(m.group.Close())
	}
}

func resetLatest(r *Run) {
	topic := r.topic("reset-latest", 1)
	r.produce(records(topic, 1, 0, 30))
	config := groupConfig()
	config.Consumer.Offsets.Initial = sarama.OffsetNewest
	for _, group := range r.resetGroups("reset-latest", topic) {
		m := r.join(group, topic, config)
		// Where the end was when it looked for it, nobody can tell from outside.
		for i := 0; len(m.received()) == 0; i++ {
			expect(r.ctx.Err() == nil, "nothing arrives")
			value := sarama.StringEncoder(fmt.Sprintf("new %d", i))
			r.produce([]*sarama.ProducerMessage{{Topic: topic, Value: value}})
			time.Sleep(200 * time.Millisecond)
		}
		first := m.received()[0]
		expect(strings.HasPrefix(string(first.Value), "new"), "got %s of before", first.Key)
		check(m.group.Close())
	}
}
