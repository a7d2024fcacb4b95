"""Payment processors: adapters of `application.payment_processor.Processor`."""
