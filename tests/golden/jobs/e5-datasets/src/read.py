ama_context.get_dataset("trips").count()
