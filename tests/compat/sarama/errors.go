package main

import (
	"errors"
	"strings"

	"github.com/IBM/sarama"
)

func expectError(got, want error) {
	expect(errors.Is(got, want), "got %v instead of %v", got, want)
}

func errorUnknownTopic(r *Run) {
	topic := r.prefix + "-nowhere"
	described := must(r.admin.DescribeTopics([]string{topic}))
	expectError(described[0].Err, sarama.ErrUnknownTopicOrPartition)

	config := config()
	config.Metadata.AllowAutoTopicCreation = false
	config.Metadata.Retry.Max = 1
	producer := must(sarama.NewSyncProducer(r.addresses(), config))
	_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic})
	expectError(err, sarama.ErrUnknownTopicOrPartition)
	check(producer.Close())
}

func errorTooLargeRecord(r *Run) {
	topic := r.topic("too-large", 1)
	config := config()
	config.Producer.MaxMessageBytes = 4 << 20
	producer := must(sarama.NewSyncProducer(r.addresses(), config))
	large := sarama.StringEncoder(strings.Repeat("x", 2<<20))
	_, _, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: large})
	expectError(err, sarama.ErrMessageSizeTooLarge)

	// The same client goes on.
	small := sarama.StringEncoder("small")
	_, offset, err := producer.SendMessage(&sarama.ProducerMessage{Topic: topic, Value: small})
	check(err)
	expect(offset == 0, "offset %d", offset)
	expect(string(r.readAll(topic, 1, 1)[0].Value) == "small", "wrong record")
	check(producer.Close())
}

func (r *Run) create(topic string, partitions int32) error {
	detail := &sarama.TopicDetail{NumPartitions: partitions, ReplicationFactor: 1}
	return r.admin.CreateTopic(topic, detail, false)
}

func errorInvalidTopicName(r *Run) {
	expectError(r.create(r.prefix+"-no spaces!", 1), sarama.ErrInvalidTopic)
}

func errorDuplicateTopic(r *Run) {
	topic := r.topic("twice", 1)
	expectError(r.create(topic, 1), sarama.ErrTopicAlreadyExists)
}

func errorBadPartitionCount(r *Run) {
	expectError(r.create(r.prefix+"-no-partitions", 0), sarama.ErrInvalidPartitions)
	topic := r.topic("shrink", 3)
	err := r.admin.CreatePartitions(topic, 2, nil, false)
	expectError(err, sarama.ErrInvalidPartitions)
}

func errorUnknownGroup(r *Run) {
	group := r.prefix + "-nobody"
	described := must(r.admin.DescribeConsumerGroups([]string{group}))[0]
	expect(described.State == "Dead", "state %q", described.State)
	expectError(r.admin.DeleteConsumerGroup(group), sarama.ErrGroupIDNotFound)
}
